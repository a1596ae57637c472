"""Every section of `params.yaml`. Units stand in the names; shares lie in 0..1."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.base.config.evaluate import CompressConfig, EvaluateConfig, GateConfig
from pipeline.base.config.operations import ScheduleConfig, ServeConfig, WatchConfig
from pipeline.base.config.section import Fraction, PositiveFloat, PositiveInt, Section
from pipeline.base.config.sources import PinnedFile, Sha256, Source

NEWEST = "newest"
# How the line is operated: no part of what a release is made of.
OPERATIONAL_SECTIONS = ("serve", "watch", "schedule")


class DataConfig(Section):
    """Say which data version to train on."""

    version: str = Field(pattern=r"^(newest|v[1-9][0-9]*)$")


class CollectConfig(Section):
    """Say where texts come from and which labels they may carry."""

    max_megabytes: PositiveInt
    feedback_texts: int = Field(ge=0)
    replay_texts: int = Field(ge=0)
    labels: tuple[str, ...] = Field(min_length=2)
    sources: tuple[Source, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_and_labels(self) -> "CollectConfig":
        for what, values in (("label", self.labels), ("source name", tuple(s.name for s in self.sources))):
            if len(set(values)) < len(values):
                raise ValueError(f"a {what} is written twice: {', '.join(values)}")
        if any(s.ratings for s in self.sources) and len(self.labels) != 3:
            raise ValueError("ratings give three labels: negative, neutral, positive in this order")
        return self


class CleanConfig(Section):
    """Bound the length of a usable text."""

    min_words: PositiveInt
    max_words: PositiveInt


class ValidateConfig(Section):
    """Bound what the data may look like before anything is trained on it."""

    min_texts: PositiveInt
    min_label_share: Fraction
    max_words: PositiveInt
    max_mean_words: PositiveFloat
    max_duplicate_share: Fraction
    max_quarantine_share: Fraction
    language: str
    language_min_words: PositiveInt
    min_language_share: Fraction
    max_residue_share: Fraction


class SplitConfig(Section):
    """Deal groups to train, valid and test."""

    valid: float = Field(gt=0, lt=1)
    test: float = Field(gt=0, lt=1)
    salt: str

    @model_validator(mode="after")
    def _something_left(self) -> "SplitConfig":
        if self.valid + self.test >= 1:
            raise ValueError("valid and test leave nothing for train")
        return self


class MiniLMConfig(PinnedFile):
    """Pin the weights inside the pinned file too."""

    weights_sha256: Sha256


class ScratchConfig(Section):
    """Size an encoder that starts from random weights."""

    vocabulary: PositiveInt
    width: PositiveInt
    layers: PositiveInt
    heads: PositiveInt
    feed_forward: PositiveInt


class EncoderConfig(Section):
    """Say where the encoder starts."""

    start: Literal["minilm", "scratch"]
    max_tokens: int = Field(ge=8, le=512)
    minilm: MiniLMConfig
    scratch: ScratchConfig


class _Training(Section):
    """Share what both training stages need."""

    batch_texts: PositiveInt
    peak_rate: PositiveFloat
    warmup_share: Fraction
    weight_decay: float = Field(ge=0)
    clip: PositiveFloat
    dropout: float = Field(ge=0, lt=1)
    checkpoint_every: PositiveInt


class PretrainConfig(_Training):
    """Set masked-word pretraining."""

    steps: PositiveInt
    mask_share: float = Field(gt=0, lt=1)
    held_out_texts: PositiveInt


class FinetuneConfig(_Training):
    """Set training on labels."""

    epochs: PositiveInt
    min_steps: PositiveInt
    judge_every: PositiveInt
    patience: PositiveInt
    class_weights: Fraction


class Params(Section):
    """Hold `params.yaml`."""

    seed: int = Field(ge=0)
    data: DataConfig
    collect: CollectConfig
    clean: CleanConfig
    validation: ValidateConfig = Field(alias="validate")
    split: SplitConfig
    encoder: EncoderConfig
    pretrain: PretrainConfig
    finetune: FinetuneConfig
    compress: CompressConfig
    evaluate: EvaluateConfig
    gate: GateConfig
    serve: ServeConfig
    watch: WatchConfig
    schedule: ScheduleConfig

    @model_validator(mode="after")
    def _abilities_are_known(self) -> "Params":
        suites = self.evaluate.behaviour
        if unknown := sorted(set(self.gate.abilities) - {ability.name for ability in suites.abilities}):
            raise ValueError(
                f"gate.abilities names what evaluate.behaviour does not measure: {', '.join(unknown)}"
            )
        if foreign := sorted(
            {str(one.expect) for one in suites.abilities if one.expect} - set(self.collect.labels)
        ):
            raise ValueError(
                f"evaluate.behaviour expects labels that collect.labels does not name: {', '.join(foreign)}"
            )
        return self

    @model_validator(mode="after")
    def _one_cut_between_two_labels(self) -> "Params":
        cuts = self.evaluate.vader_cuts
        if cuts is not None and (len(cuts) != len(self.collect.labels) - 1 or list(cuts) != sorted(cuts)):
            raise ValueError(
                "evaluate.vader_cuts needs one rising cut between each two of collect.labels, or null"
            )
        return self
