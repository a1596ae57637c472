"""The section `encoder`: the weights that pretraining starts from, and how they read a text."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag, model_validator

from pipeline.base.config.section import Commit, PositiveInt, Section
from pipeline.base.config.sources import PinnedFile, Sha256

# How much of a text of more tokens than `max_tokens` a model reads.
LongTexts = Literal["head", "head_tail", "windows"]
TokenizerKind = Literal["wordpiece", "bpe"]
# BPE over bytes has each byte, and the five special tokens.
LEAST_BPE_VOCABULARY = 256 + 5


class PackageWeights(PinnedFile):
    """Pin the weights inside the pinned file as well."""

    weights_sha256: Sha256


class SplitWeights(Section):
    """Pin weights whose archive is split over several packages: the parts in order, and the weights in it.

    Each part is the one member that is read of its package; joined they are an archive of `members`.
    """

    parts: tuple[PinnedFile, ...] = Field(min_length=2)
    members: tuple[str, ...] = Field(min_length=1)
    weights_sha256: Sha256

    @model_validator(mode="after")
    def _a_part_is_one_member(self) -> "SplitWeights":
        for number, part in enumerate(self.parts, 1):
            if len(part.members) != 1:
                raise ValueError(
                    f"part {number} ({part.project}) names {len(part.members)} members. Write the pattern of "
                    "the one that holds the part"
                )
        return self

    @property
    def project(self) -> str:
        """Return the name of the first package."""
        return self.parts[0].project


def _kind_of_package(value: Any) -> str:
    parts = "parts" in value if isinstance(value, dict) else isinstance(value, SplitWeights)
    return "split" if parts else "one file"


class ScratchConfig(Section):
    """Set the tokenizer and the size of an encoder that starts from random weights."""

    tokenizer: TokenizerKind
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
    package: Annotated[
        Annotated[PackageWeights, Tag("one file")] | Annotated[SplitWeights, Tag("split")],
        Discriminator(_kind_of_package),
    ]
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
        scratch = self.scratch
        is_bpe = self.start == "scratch" and scratch.tokenizer == "bpe"
        if is_bpe and scratch.vocabulary < LEAST_BPE_VOCABULARY:
            raise ValueError(
                f"scratch.vocabulary is {scratch.vocabulary}, and `tokenizer: bpe` has a piece for each of "
                "the 256 bytes and 5 special tokens. Write `vocabulary: 8000` under `encoder.scratch`, "
                f"{LEAST_BPE_VOCABULARY} at least, or `tokenizer: wordpiece`"
            )
        return self
