"""Compare a candidate with the champion and with earlier releases, on texts that none of them learnt from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.base import logs
from pipeline.base.config import Params, Workspace
from pipeline.base.documents import Comparison, ForgettingDifference, LeftOutTexts, Look, ReleaseRecord
from pipeline.base.errors import Fault, TonewatchError
from pipeline.base.records import TextRecord
from pipeline.base.tasks import answer_form
from pipeline.core.evaluate.comparison import Anchor, SourcePredictions, compare_models, measure_forgetting
from pipeline.core.evaluate.paired_bootstrap import PairedPredictions
from pipeline.core.evaluate.slices import slice_members
from pipeline.core.tasks import AnswerTable, Task, task_named
from pipeline.io.registry import release_files
from pipeline.io.versioning.data_versions import read_split
from pipeline.io.workspace_id import workspace_identity
from pipeline.release.evaluated_texts import EvaluatedTexts, rows_trained_on
from pipeline.release.predicting import PredictorLoader, TextPredictor, predicted_labels
from pipeline.release.robustness import ComparedModels, compare_abilities, compare_attack

log = logs.get("release")


@dataclass(frozen=True)
class ComparisonTask:
    """What is compared: the candidate's texts of its data version, and the releases it is held against."""

    texts: EvaluatedTexts
    data_version: str
    champion: ReleaseRecord
    anchors: Sequence[ReleaseRecord]
    look: Look


@dataclass(frozen=True)
class _PredictedTexts:
    """Texts with both models' predictions, all by name."""

    records: Sequence[TextRecord]
    candidate: Sequence[str]
    champion: Sequence[str]

    def of_source(self, source: str) -> "_PredictedTexts":
        rows = [row for row, record in enumerate(self.records) if record.source == source]
        return _PredictedTexts(
            [self.records[row] for row in rows],
            [self.candidate[row] for row in rows],
            [self.champion[row] for row in rows],
        )

    def paired(self, table: AnswerTable) -> PairedPredictions:
        return PairedPredictions(
            [record.id for record in self.records],
            table.numbers([record.label for record in self.records]),
            table.numbers(self.candidate),
            table.numbers(self.champion),
            [record.group for record in self.records],
            table.items,
        )


@dataclass(frozen=True)
class _SourceTexts:
    texts: _PredictedTexts
    data_version: str


@dataclass(frozen=True)
class _AnchorTexts:
    """The predictions of an earlier release, and the rows that it did not learn from."""

    release: str
    predicted: Sequence[str]
    rows: Sequence[int]


def compare_with_champion(
    workspace: Workspace, params: Params, task: ComparisonTask, load: PredictorLoader
) -> Comparison:
    """Compare the candidate in the working tree with the champion, text by text.

    Texts that the champion learnt from are left out and counted. Raises DataRejected where that leaves none.
    """
    made_for = task_named(params.task)
    champion, own = task.champion, (workspace_identity(workspace).id, task.data_version)
    trained = rows_trained_on(workspace.root, champion, task.texts.records, own=own)
    texts = task.texts.where(lambda row: row not in trained.rows)
    predictor = load(release_files.verified_copy(workspace, champion))
    candidate = load(workspace.root / "data" / "candidate")
    its = predicted_labels(predictor, texts.records, made_for)
    today = _PredictedTexts(texts.records, texts.predicted, its)
    anchors = _anchors(workspace, task.anchors, texts, own, (load, made_for))
    sources = _champion_sources(workspace, champion, today, (candidate, predictor), made_for)
    columns = _columns([today, *(source.texts for source in sources.values())], anchors)
    labels = _all_labels(params, columns)
    table = made_for.table(labels, *columns)
    pair, seed = today.paired(table), params.seed
    comparison = compare_models(
        pair,
        champion=champion["release"],
        labels=labels,
        slices=_slices(texts.records, params),
        gate=params.gate,
        seed=seed,
        look=task.look,
        anchors=[_anchor_of(anchor, today, table) for anchor in anchors],
    )
    figures = made_for.figures
    rows = figures.compare(pair, champion=champion["release"], gate=params.gate, seed=seed) if figures else []
    models = ComparedModels(candidate, predictor, champion["release"])
    attacked = ([record.text for record in texts.records], [record.label for record in texts.records])
    return {
        **comparison,
        **({"task": rows} if figures else {}),  # type: ignore[typeddict-item]
        "forgetting": _forgetting(sources, (labels, table), params, champion=champion["release"]),
        "left_out": [_left_out(champion, len(trained.rows), trained.unknown)],
        "abilities": compare_abilities(models, params),
        "attack": compare_attack(models, attacked, params),
    }


def _forgetting(
    sources: Mapping[str, _SourceTexts],
    numbered: tuple[Sequence[str], AnswerTable],
    params: Params,
    *,
    champion: str,
) -> list[ForgettingDifference]:
    labels, table = numbered
    pairs = {
        name: SourcePredictions(source.texts.paired(table), source.data_version)
        for name, source in sources.items()
    }
    return measure_forgetting(pairs, champion=champion, labels=labels, gate=params.gate, seed=params.seed)


def _left_out(release: ReleaseRecord, texts: int, unknown: str | None) -> LeftOutTexts:
    return {"release": release["release"], "texts": texts, "unknown": unknown}


def _slices(records: Sequence[TextRecord], params: Params) -> dict[str, list[int]]:
    texts, sources, langs = (
        [getattr(record, name) for record in records] for name in ("text", "source", "lang")
    )
    return slice_members(texts, sources, langs, params.evaluate)


def _anchors(
    workspace: Workspace,
    releases: Sequence[ReleaseRecord],
    texts: EvaluatedTexts,
    own: tuple[str | None, str],
    loading: tuple[PredictorLoader, Task],
) -> list[_AnchorTexts]:
    found = (_anchor(workspace, release, texts, own, loading) for release in releases)
    return [anchor for anchor in found if anchor]


def _anchor(
    workspace: Workspace,
    release: ReleaseRecord,
    texts: EvaluatedTexts,
    own: tuple[str | None, str],
    loading: tuple[PredictorLoader, Task],
) -> _AnchorTexts | None:
    """Predict the texts with an earlier release; None where it is gone or may know all of them."""
    load, made_for = loading
    trained = rows_trained_on(workspace.root, release, texts.records, own=own)
    rows = [row for row in range(len(texts.records)) if row not in trained.rows]
    if trained.unknown or not rows:
        log.warning("anchor.left_out", release=release["release"], error=trained.unknown or "no text is left")
        return None
    try:
        predictor = load(release_files.verified_copy(workspace, release))
    except TonewatchError as error:
        log.warning("anchor.left_out", release=release["release"], error=str(error))
        return None
    return _AnchorTexts(release["release"], predicted_labels(predictor, texts.records, made_for), rows)


def _anchor_of(anchor: _AnchorTexts, today: _PredictedTexts, table: AnswerTable) -> Anchor:
    pair = _PredictedTexts(today.records, today.candidate, anchor.predicted).paired(table)
    return Anchor(anchor.release, pair, anchor.rows)


def _champion_sources(
    workspace: Workspace,
    champion: ReleaseRecord,
    today: _PredictedTexts,
    models: tuple[TextPredictor, TextPredictor],
    task: Task,
) -> dict[str, _SourceTexts]:
    """Predict texts of each of the champion's sources: today's texts, or else those of its data version."""
    names, version = set(champion["evaluation"]["per_source"]), champion["data_version"]
    present = names & {record.source for record in today.records}
    sources = {name: _SourceTexts(today.of_source(name), "") for name in sorted(present)}
    if absent := sorted(names - present):
        try:
            records = read_split(workspace.root, version, "test")
        except TonewatchError as error:
            raise Fault(
                f"{champion['release']} was trained on {', '.join(absent)}, which today's texts lack, "
                f"and its own test texts (data {version}) cannot be read, "
                f"so forgetting cannot be measured: {error}"
            ) from error
        past = _PredictedTexts(records, *(predicted_labels(model, records, task) for model in models))
        sources |= {name: _SourceTexts(past.of_source(name), version) for name in absent}
    return sources


def _columns(parts: Sequence[_PredictedTexts], anchors: Sequence[_AnchorTexts]) -> list[Sequence[str]]:
    """Return all answers that are true of a text, or that a model predicts."""
    columns = [
        column
        for part in parts
        for column in ([record.label for record in part.records], part.candidate, part.champion)
    ]
    return [*columns, *(anchor.predicted for anchor in anchors)]


def _all_labels(params: Params, columns: Sequence[Sequence[str]]) -> tuple[str, ...]:
    # A champion may predict labels that today's texts no longer have; those predictions are simply wrong.
    answers = dict.fromkeys(answer for column in columns for answer in column)
    occurring = (label for answer in answers for label in answer_form(params.task).labels_of(answer))
    return tuple(dict.fromkeys([*params.collect.labels, *occurring]))
