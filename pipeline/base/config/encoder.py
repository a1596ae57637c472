"""The section `encoder`: the weights that pretraining starts from, and how they read a text."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from pipeline.base.config.section import Commit, PositiveInt, Section
from pipeline.base.config.sources import PinnedFile, Sha256

# How much of a text of more tokens than `max_tokens` a model reads.
LongTexts = Literal["head", "head_tail", "windows"]


class PackageWeights(PinnedFile):
    """Pin the weights inside the pinned file as well."""

    weights_sha256: Sha256


class ScratchConfig(Section):
    """Set the size of an encoder that starts from random weights."""

    vocabulary: PositiveInt
    width: PositiveInt
    layers: PositiveInt
    heads: PositiveInt
    feed_forward: PositiveInt


class HubWeights(Section):
    """Name a model of the Hugging Face hub, pinned to a commit; no code of it is run.

    HF_ENDPOINT names another hub, HF_TOKEN holds the key to what is private.
    """

    model: Annotated[str, StringConstraints(pattern=r"^[\w-][\w.-]*(/[\w-][\w.-]*)?$")]
    revision: Commit


class EncoderConfig(Section):
    """Set where an encoder starts from, and what it reads of a long text.

    `folder` holds config.json, model.safetensors and tokenizer.json; a relative path starts at the
    workspace's root. `answer_tokens` of `max_tokens` are for the answer, where a model writes one.
    """

    start: Literal["package", "scratch", "folder", "hub"]
    max_tokens: int = Field(ge=8, le=512)
    long_texts: LongTexts
    answer_tokens: PositiveInt
    package: PackageWeights
    scratch: ScratchConfig
    folder: Annotated[str, Field(min_length=1)] | None
    hub: HubWeights | None

    @model_validator(mode="after")
    def _start_is_described(self) -> "EncoderConfig":
        if self.start == "folder" and self.folder is None:
            raise ValueError(
                "`start: folder` needs the folder with config.json, model.safetensors and tokenizer.json. "
                "Write `folder: models/NAME` under `encoder`"
            )
        if self.start == "hub" and self.hub is None:
            raise ValueError(
                "`start: hub` needs a model and its commit. Write "
                "`hub: {model: ORG/NAME, revision: 40 digits}` under `encoder`"
            )
        return self
