"""Predict today's test texts and those of the champion's own sources with both models, and compare them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.base.config import Params, Workspace
from pipeline.base.documents import Comparison, ReleaseRecord
from pipeline.base.errors import Fault, TonewatchError
from pipeline.base.records import TextRecord
from pipeline.core.evaluate.comparison import SourcePredictions, compare_models, measure_forgetting
from pipeline.core.evaluate.paired_bootstrap import PairedPredictions
from pipeline.core.evaluate.slices import slice_members
from pipeline.io import files, parquet
from pipeline.io.registry import release_files
from pipeline.io.versioning.data_versions import read_split


class LabelledTexts(Protocol):
    """Predictions; `labels` are names, in the order of the texts."""

    @property
    def labels(self) -> Sequence[str]:
        """The predicted label of each text."""


class TextPredictor(Protocol):
    """Anything that predicts the labels of texts."""

    def predict(self, texts: Sequence[str], /) -> LabelledTexts:
        """Predict each text."""


PredictorLoader = Callable[[Path], TextPredictor]


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

    def paired(self, labels: Sequence[str]) -> PairedPredictions:
        index = {name: number for number, name in enumerate(labels)}
        return PairedPredictions(
            [record.id for record in self.records],
            [index[record.label] for record in self.records],
            [index[label] for label in self.candidate],
            [index[label] for label in self.champion],
            [record.group for record in self.records],
        )


@dataclass(frozen=True)
class _SourceTexts:
    texts: _PredictedTexts
    data_version: str


def compare_with_champion(
    workspace: Workspace, params: Params, champion: ReleaseRecord, load: PredictorLoader
) -> Comparison:
    """Compare the candidate in the working tree with the champion, text by text.

    Raises Fault where the texts that the candidate was evaluated on are gone.
    """
    data = workspace.root / "data"
    files.verified_receipt(data / "splits", made_by="split")
    records, candidate = _evaluated_texts(data)
    predictor = load(release_files.verified_copy(workspace, champion))
    today = _PredictedTexts(records, candidate, _labels(predictor, records))
    sources = _champion_sources(workspace, champion, today, load, predictor)
    labels = _all_labels(params, [today, *(source.texts for source in sources.values())])
    slices = slice_members(
        [record.text for record in records],
        [record.source for record in records],
        [record.lang for record in records],
        params.evaluate,
    )
    comparison = compare_models(
        today.paired(labels),
        champion=champion["release"],
        labels=labels,
        slices=slices,
        gate=params.gate,
        seed=params.seed,
    )
    pairs = {
        name: SourcePredictions(source.texts.paired(labels), source.data_version)
        for name, source in sources.items()
    }
    forgetting = measure_forgetting(pairs, labels=labels, gate=params.gate, seed=params.seed)
    return {**comparison, "forgetting": forgetting}


def _evaluated_texts(data: Path) -> tuple[list[TextRecord], list[str]]:
    """Return the test texts in the order of the candidate's stored predictions, and those predictions."""
    texts = {record.id: record for record in parquet.read_texts(data / "splits" / "test.parquet")}
    predictions = parquet.read_rows(data / "evaluation" / "predictions.parquet")
    if set(predictions["id"]) != set(texts):
        raise Fault("data/evaluation and data/splits hold different texts. Type `tonewatch stage evaluate`.")
    return [texts[name] for name in predictions["id"]], list(predictions["predicted"])


def _champion_sources(
    workspace: Workspace,
    champion: ReleaseRecord,
    today: _PredictedTexts,
    load: PredictorLoader,
    predictor: TextPredictor,
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
        candidate = load(workspace.root / "data" / "candidate")
        past = _PredictedTexts(records, _labels(candidate, records), _labels(predictor, records))
        sources |= {name: _SourceTexts(past.of_source(name), version) for name in absent}
    return sources


def _labels(predictor: TextPredictor, records: Sequence[TextRecord]) -> list[str]:
    return list(predictor.predict([record.text for record in records]).labels)


def _all_labels(params: Params, parts: Sequence[_PredictedTexts]) -> tuple[str, ...]:
    # A champion may predict labels that today's texts no longer have; those predictions are simply wrong.
    occurring = (
        label
        for part in parts
        for column in ([record.label for record in part.records], part.candidate, part.champion)
        for label in column
    )
    return tuple(dict.fromkeys([*params.collect.labels, *occurring]))
