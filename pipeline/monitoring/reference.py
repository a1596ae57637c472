"""The reference of a release: its predictions on its test texts, which every window is compared with."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from pipeline.base import logs
from pipeline.base.config import WatchConfig, Workspace
from pipeline.base.documents import ReleaseRecord
from pipeline.base.errors import TonewatchError
from pipeline.base.records import Receipt
from pipeline.base.seeds import seed_for
from pipeline.base.tasks import SINGLE_LABEL, AnswerForm, TaskName, answer_form
from pipeline.core.clean.language import detect_language
from pipeline.core.clean.words import count_words
from pipeline.core.monitor.alarm_budget import share_of
from pipeline.core.monitor.detectors import WindowSample
from pipeline.core.monitor.drift import DriftCalibration, calibrate, comparable_size
from pipeline.core.monitor.embedding_map import EmbeddingMap
from pipeline.core.monitor.windows import windows_per_quarter
from pipeline.core.privacy.masking import mask_pii
from pipeline.inference.load import load_predictor
from pipeline.io import files, parquet
from pipeline.io.params_file import load_params
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger
from pipeline.io.versioning.data_versions import read_split
from pipeline.monitoring.windows.samples import SampleColumns, answer_columns, build_sample

if TYPE_CHECKING:
    from pipeline.core.model.predictor import Predictor

TABLE = "texts.parquet"
ALL_SOURCES = ""
# A topic's own reference holds four times as many texts as its windows: the error of a smaller one comes back
# in every window. With this factor 24 references gave 321 alarm starts for 432 allowed.
OWN_FACTOR = 4


def not_watched(workspace: Workspace) -> str | None:
    """Return why the predictions of the champion are not evaluated, None where they are."""
    ledger = Ledger(workspace.ledger)
    name = ledger.champion()
    task = ledger.get(name).record["evaluation"].get("task", SINGLE_LABEL) if name else SINGLE_LABEL
    if not answer_form(task).is_written:
        return None
    return (
        f"{name} is of task {task}: shares, drift, change points and audit labels are those of labels, "
        "so no window is evaluated. The journal has every prediction."
    )


class ReferenceColumns(SampleColumns):
    """The columns of a reference; `source` is that of each test text."""

    source: list[str]


@dataclass(frozen=True)
class ReleaseReference:
    """A release as monitoring needs it; its model and its reference are loaded at their first use."""

    workspace: Workspace
    record: ReleaseRecord
    _calibrations: dict[tuple[str, int, int, bool], DriftCalibration] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the name of the release."""
        return self.record["release"]

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the labels in the order of the model."""
        return tuple(self.record["evaluation"]["labels"])

    @property
    def task(self) -> TaskName:
        """Return the task of the release; those of earlier versions name none."""
        return self.record["evaluation"].get("task", SINGLE_LABEL)

    @property
    def form(self) -> AnswerForm:
        """Return the form of its answers."""
        return answer_form(self.task)

    @cached_property
    def predictor(self) -> "Predictor":
        """Load the model from the verified copy of the release."""
        return load_predictor(release_files.verified_copy(self.workspace, self.record))

    @cached_property
    def samples(self) -> dict[str, WindowSample]:
        """Read the predictions on the test texts: all under the empty name, and those of each source."""
        columns = self._read_columns()
        labels = self.labels if "carried" in columns else ()
        sources_N, sample = np.array(columns["source"]), build_sample(columns, labels)
        rows = {str(name): np.flatnonzero(sources_N == name) for name in np.unique(sources_N)}
        return {ALL_SOURCES: sample, **{name: sample.take(rows_N) for name, rows_N in rows.items()}}

    def calibration(
        self, topic: str, window: WindowSample, cfg: WatchConfig, *, topics: int
    ) -> DriftCalibration:
        """Calibrate drift detection for windows of this size, once for each size.

        A topic named as a source of the test texts is compared with those of that source, and its windows are
        sampled down until the source has OWN_FACTOR times as many texts. Where that is too few, it is
        compared with all test texts as any other topic is.
        """
        embedded = window.embedding is not None
        own, source, texts = self.samples.get(topic), ALL_SOURCES, len(window)
        if own and len(own) >= OWN_FACTOR * cfg.min_texts:
            source, texts = topic, comparable_size(min(texts, len(own) // OWN_FACTOR), cfg.drift)
        key = (source, texts, topics, embedded)
        if key not in self._calibrations:
            sample = self.samples[source]
            self._calibrations[key] = calibrate(
                sample if embedded else replace(sample, embedding=None),
                texts,
                cfg.drift,
                false_alarms_per_quarter=share_of(cfg.false_alarms_per_quarter, "drift"),
                windows_per_quarter=windows_per_quarter(cfg.window_minutes),
                topics=topics,
                seed=seed_for(0, "watch", self.name, source),
            )
        return self._calibrations[key]

    @cached_property
    def embedding_map(self) -> EmbeddingMap | None:
        """Fit the axes that embeddings are described by, equal for all topics; None without embeddings."""
        sample = self.samples[ALL_SOURCES]
        if sample.embedding is None or not len(sample):
            return None
        return EmbeddingMap.of(sample.embedding, sample.predicted, seed=seed_for(0, "watch", self.name))

    def language(self, text: str) -> str:
        """Detect the language of a text as the stage `validate` does."""
        return detect_language(text, min_words=self._language_min_words)

    @cached_property
    def _language_min_words(self) -> int:
        return load_params(self.workspace.params).validation.language_min_words

    def _read_columns(self) -> ReferenceColumns:
        folder = self.workspace.windows / f"reference-{self.name}"
        try:
            files.verified_receipt(folder, made_by="watch")
        except TonewatchError:
            logs.get("watch").info("reference.computed", release=self.name)
            self._write(folder)
        columns = parquet.read_rows(folder / TABLE)
        if "guess" in columns:  # written by an earlier version
            columns["predicted"] = columns.pop("guess")
        return cast(ReferenceColumns, columns)

    def _write(self, folder: Path) -> None:
        records = read_split(self.workspace.root, self.record["data_version"], "test")
        # The journal stores masked texts, so the reference is computed from masked texts.
        texts = [mask_pii(record.text)[0] for record in records]
        predictions = self.predictor.predict(texts)
        columns: ReferenceColumns = {
            "source": [record.source for record in records],
            "request": [record.id for record in records],
            "position": [0] * len(records),
            **answer_columns(self.form, predictions.labels, predictions.probabilities, self.labels),
            "words": [count_words(text) for text in texts],
            "unknown": list(predictions.unknown),
            "lang": [self.language(text) for text in texts],
            "embedding": self.predictor.embed(texts).tolist(),
        }
        with files.staging_dir(folder) as staging:
            parquet.write_rows(staging / TABLE, cast(Mapping[str, list[object]], columns))
            files.write_receipt(staging, Receipt("watch", counts={"texts": len(texts)}))


class ReferenceCache:
    """The references of one pass over the windows: each release is opened once."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._references: dict[str, ReleaseReference] = {}

    def get(self, name: str) -> ReleaseReference:
        """Open a release by its name."""
        if name not in self._references:
            record = Ledger(self._workspace.ledger).get(name).record
            self._references[name] = ReleaseReference(self._workspace, record)
        return self._references[name]

    def content(self, name: str, answer: str) -> str:
        """Return what an answer of a release is counted as."""
        return self.get(name).form.content(answer)
