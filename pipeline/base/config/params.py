"""Every section of `params.yaml`. Names carry units; shares are in 0..1."""

from collections.abc import Mapping

from pydantic import Field, ValidationError, model_validator

from pipeline.base.config.compress import CompressConfig
from pipeline.base.config.data import CleanConfig, CollectConfig, DataConfig, SplitConfig, ValidateConfig
from pipeline.base.config.encoder import EncoderConfig
from pipeline.base.config.evaluate import EvaluateConfig, GateConfig
from pipeline.base.config.operations import ScheduleConfig, ServeConfig, TuneConfig, WatchConfig
from pipeline.base.config.section import Section
from pipeline.base.config.table_section import ONE_HOME
from pipeline.base.config.training import FinetuneConfig, PretrainConfig
from pipeline.base.tasks import (
    ASPECT,
    GENERATION,
    ORDINAL,
    SINGLE_LABEL,
    TOKEN_LABELS,
    TaskName,
    answer_form,
    reads_targets,
    scale_fault,
    writes_texts,
)

NEWEST = "newest"
OPERATIONAL_SECTIONS = ("serve", "watch", "schedule", "tune")  # no part of a release
SEARCHED = "finetune"  # the section whose keys a search may set


class Params(Section):
    """Hold `params.yaml`."""

    seed: int = Field(ge=0)
    task: TaskName
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
    tune: TuneConfig

    @property
    def answer_tokens(self) -> int:
        """Return how many tokens of a row are for the answer: none where a model writes no text."""
        return self.encoder.answer_tokens if writes_texts(self.task) else 0

    def with_searched(self, values: Mapping[str, object]) -> "Params":
        """Return the parameters with other values under keys of the searched section (`finetune.epochs`).

        Raises KeyError with a key that is not there, pydantic's ValidationError for a wrong value.
        """
        content = self.finetune.model_dump(by_alias=True)
        for dotted, value in values.items():
            section, *names = dotted.split(".")
            place = content
            for name in names[:-1]:
                place = place[name] if isinstance(place.get(name), dict) else {}
            if section != SEARCHED or not names or names[-1] not in place:
                raise KeyError(dotted)
            place[names[-1]] = value
        return self.model_copy(update={SEARCHED: type(self.finetune).model_validate(content)})

    @model_validator(mode="after")
    def _ranges_fit_their_keys(self) -> "Params":
        for key, searched in self.tune.ranges.items():
            for value in searched.ends:
                try:
                    self.with_searched({key: value})._refuse_method_of_one_label()
                except KeyError:
                    known = ", ".join(sorted(type(self.finetune).model_fields))
                    raise ValueError(
                        f"tune.ranges names {key}, which is no key that a search can set. Write "
                        f"`{SEARCHED}.` before one of: {known}"
                    ) from None
                except ValueError as error:
                    raise ValueError(f"tune.ranges: {key} cannot be {value}: {first_reason(error)}") from None
        return self

    @model_validator(mode="after")
    def _method_fits_its_task(self) -> "Params":
        self._refuse_method_of_one_label()
        augment = self.finetune.augment
        if augment.any and self.task in (TOKEN_LABELS, GENERATION):
            raise ValueError(
                f"`augment` under `finetune` changes texts whose answer stays, and that of {self.task} would "
                "not. Write `augment: {typos: 0.0, case: 0.0, words: 0.0}`"
            )
        if augment.words and self.encoder.long_texts == "windows":
            raise ValueError(
                "`augment: words` under `finetune` reads a text at once, and `long_texts: windows` in parts. "
                "Write `words: 0.0`, or `long_texts: head_tail`"
            )
        return self

    def _refuse_method_of_one_label(self) -> None:
        if setting := self.finetune.task_fault(one_label=answer_form(self.task).one_label):
            raise ValueError(
                f"`{setting}` under `finetune` is for texts of one label, and the task is {self.task}. Take "
                f"it out, or write `task: {SINGLE_LABEL}`"
            )

    @model_validator(mode="after")
    def _abilities_are_known(self) -> "Params":
        abilities = self.evaluate.behaviour.abilities
        if unknown := sorted(set(self.gate.abilities) - {ability.name for ability in abilities}):
            raise ValueError(
                f"gate.abilities names what evaluate.behaviour does not measure: {', '.join(unknown)}"
            )
        expected = {ability.expect for ability in abilities if ability.expect}
        if unknown := sorted(expected - set(self.collect.labels)):
            raise ValueError(
                f"evaluate.behaviour expects labels that collect.labels does not name: {', '.join(unknown)}"
            )
        return self

    @model_validator(mode="after")
    def _one_threshold_between_two_labels(self) -> "Params":
        thresholds, labels = self.evaluate.vader_thresholds, self.collect.labels
        if thresholds is not None and (
            len(thresholds) != len(labels) - 1 or list(thresholds) != sorted(thresholds)
        ):
            raise ValueError(
                "evaluate.vader_thresholds needs one rising threshold between two of collect.labels, or null"
            )
        return self

    @model_validator(mode="after")
    def _labels_are_those_of_the_task(self) -> "Params":
        labels = self.collect.labels
        if self.task == ORDINAL and (fault := scale_fault(labels, self.finetune.ordinal)):
            raise ValueError(
                f"task is `ordinal`, and collect.labels are no scale: {fault}. Write `task: single_label`, "
                "or put collect.labels into the order of their scale; where their names do not show it, "
                "write `finetune: {ordinal: {in_order: true}}` beside it"
            )
        if fault := answer_form(self.task).set_fault(labels):
            advice = "" if writes_texts(self.task) else ". Give the label another name (`label_map`)"
            raise ValueError(f"task is `{self.task}`: {fault}{advice}")
        return self

    @model_validator(mode="after")
    def _spans_are_entities(self) -> "Params":
        spans = [source.name for source in self.collect.tables if source.columns.spans is not None]
        others = [source.name for source in self.collect.tables if source.columns.spans is None]
        if self.task != TOKEN_LABELS:
            if spans:
                raise ValueError(f"source {spans[0]} has columns.spans: write `task: {TOKEN_LABELS}`")
            return self
        if others:
            raise ValueError(
                f"task is `{TOKEN_LABELS}`, and source {others[0]} brings no entities: write `spans: COLUMN` "
                "in its columns, with `label: null`"
            )
        return self._reads_no_whole_texts()

    @model_validator(mode="after")
    def _targets_are_named(self) -> "Params":
        named = [source.name for source in self.collect.tables if source.columns.target is not None]
        others = [source.name for source in self.collect.tables if source.columns.target is None]
        if not reads_targets(self.task):
            if named:
                raise ValueError(f"source {named[0]} has columns.target: write `task: {ASPECT}`")
            return self
        if others:
            raise ValueError(
                f"task is `{ASPECT}`, and source {others[0]} names no target of a text: write "
                "`target: COLUMN` in its columns, or `task: single_label`"
            )
        return self._reads_no_whole_texts()

    @model_validator(mode="after")
    def _references_are_written(self) -> "Params":
        tables, task = self.collect.tables, self.task
        with_reference = [one.name for one in tables if one.columns.reference is not None]
        if not writes_texts(task):
            if with_reference:
                raise ValueError(
                    f"source {with_reference[0]} has columns.reference: write `task: {GENERATION}`"
                )
            if unlabelled := [one.name for one in tables if not any(one.columns.homes)]:
                raise ValueError(f"source {unlabelled[0]}: {ONE_HOME}")
            return self
        if labelled := [one.name for one in tables if any(one.columns.homes[:-1])]:
            raise ValueError(
                f"task is `{task}`, and source {labelled[0]} has labels: write `reference: COLUMN` in its "
                "columns, or no such key for texts that stand alone, and `label: null`"
            )
        if 0 < len(with_reference) < len(tables):
            alone = next(one.name for one in tables if one.name not in with_reference)
            raise ValueError(
                f"source {with_reference[0]} has references, and source {alone} none: no figure is about "
                "both. Name columns.reference of each, or of none"
            )
        # A prompt has two special tokens at least, and a word.
        if self.encoder.answer_tokens > self.encoder.max_tokens - 4:
            raise ValueError(
                f"encoder.answer_tokens is {self.encoder.answer_tokens}, and leaves nothing of the "
                f"{self.encoder.max_tokens} of encoder.max_tokens to read. Write a smaller one"
            )
        return self._reads_no_whole_texts()

    def _reads_no_whole_texts(self) -> "Params":
        if self.encoder.long_texts != "head":
            raise ValueError(
                f"task is `{self.task}`, which reads a text from its beginning: write "
                "`encoder: {long_texts: head}`"
            )
        if self.evaluate.behaviour.abilities:
            raise ValueError(
                f"task is `{self.task}`, and abilities are of labels of whole texts: write "
                "`evaluate: {behaviour: {abilities: []}}` and `gate: {abilities: {}}`"
            )
        return self

    @model_validator(mode="after")
    def _ratings_are_of_one_label(self) -> "Params":
        if not answer_form(self.task).one_label:
            rated = [source.name for source in self.collect.tables if source.ratings]
            if rated or self.finetune.targets == "ratings":
                raise ValueError(
                    f"task is `{self.task}`, and a rating gives one label of three: remove `ratings` of "
                    f"{', '.join(rated) or 'finetune.targets'}, or write `task: single_label`"
                )
            if self.evaluate.vader_thresholds is not None:
                raise ValueError(
                    f"task is `{self.task}`, and the lexicon knows one label a text: write "
                    "`evaluate: {vader_thresholds: null}`"
                )
        return self


def first_reason(error: Exception) -> str:
    """Return what an error says; of a list of wrong values the first."""
    if not isinstance(error, ValidationError):
        return str(error)
    return error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
