"""What a release said of the texts it was judged by: the reference that every window is compared with."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.base import logs
from pipeline.base.config import WatchConfig, Workspace
from pipeline.base.errors import TonewatchError
from pipeline.base.records import Receipt
from pipeline.base.seeds import seed_for
from pipeline.core.clean.faults import count_words
from pipeline.core.clean.language import detect_language as language
from pipeline.core.monitor.detectors import WindowSample
from pipeline.core.monitor.drift import DriftCalibration, calibrate, comparable_size
from pipeline.core.monitor.windows import windows_per_quarter
from pipeline.core.privacy.masking import mask_pii
from pipeline.inference.load import load_predictor
from pipeline.io import files, parquet
from pipeline.io.params_file import load_params
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger
from pipeline.io.versioning.data_versions import read_split

if TYPE_CHECKING:
    from pipeline.core.model.predictor import Predictor

TABLE = "texts.parquet"
# With four times as many texts of its own, 24 references gave 321 starts of alarms for 432 allowed; the error of fewer comes back in
# every window.
OWN_FACTOR = 4


@dataclass(frozen=True)
class ReleaseReference:
    """Hold a release as the watch needs it; its files and its reference are opened at their first use."""

    workspace: Workspace
    document: dict[str, Any]
    _calibrated: dict[tuple[str, int, int, bool], DriftCalibration] = field(default_factory=dict)

    @classmethod
    def of(cls, workspace: Workspace, name: str) -> "ReleaseReference":
        """Read a release by its name."""
        return cls(workspace, dict(Ledger(workspace.ledger).get(name).document))

    @property
    def name(self) -> str:
        """Give the name of the release."""
        return str(self.document["release"])

    @property
    def labels(self) -> tuple[str, ...]:
        """Give its labels in their order."""
        return tuple(self.document["evaluation"]["labels"])

    @property
    def confusion(self) -> Any:
        """Give its counts of truth against guess on its test texts."""
        return np.array(self.document["evaluation"]["confusion"])

    @cached_property
    def predictor(self) -> "Predictor":
        """Open its verified copy."""
        return load_predictor(release_files.verified_copy(self.workspace, self.document))

    @cached_property
    def reference(self) -> dict[str, WindowSample]:
        """Give what it said of its test texts: of all of them under the empty name, and of each source."""
        columns = parquet.read_rows(self._kept() / TABLE)
        source_N = np.array(columns.pop("source"))
        whole = build_sample(columns)
        return {
            "": whole,
            **{str(name): whole.only(np.flatnonzero(source_N == name)) for name in np.unique(source_N)},
        }

    def calibration(
        self, topic: str, window: WindowSample, cfg: WatchConfig, *, topics: int
    ) -> DriftCalibration:
        """Learn what chance does to windows of this size, once for each size.

        A topic named as a source of the test texts is compared with those of that source; of its window only so many texts that there
        are OWN times as many of them. Where that would be too few, it is compared with all test texts as any other topic is.
        """
        embedded = window.embedding is not None
        own, source, texts = self.reference.get(topic), "", len(window)
        if own and len(own) >= OWN_FACTOR * cfg.min_texts:
            source, texts = topic, comparable_size(min(texts, len(own) // OWN_FACTOR), cfg.drift)
        key = (source, texts, topics, embedded)
        if key not in self._calibrated:
            reference = (
                self.reference[source] if embedded else replace(self.reference[source], embedding=None)
            )
            asked: dict[str, Any] = {
                "windows_per_quarter": windows_per_quarter(cfg.window_minutes),
                "topics": topics,
            }
            self._calibrated[key] = calibrate(
                reference, texts, cfg.drift, seed=seed_for(0, "watch", self.name, source), **asked
            )
        return self._calibrated[key]

    def language(self, text: str) -> str:
        """Tell the language of a text as the validation does."""
        return language(text, min_words=self._least)

    @cached_property
    def _least(self) -> int:
        return load_params(self.workspace.params).validation.language_min_words

    def _kept(self) -> Path:
        """Find what was reckoned once for this very release, or reckon it."""
        folder = self.workspace.windows / f"reference-{self.name}"
        try:
            files.verified_receipt(folder, made_by="watch")
        except TonewatchError:
            logs.get("watch").info("reference", release=self.name)
            self._keep(folder)
        return folder

    def _keep(self, folder: Path) -> None:
        records = read_split(self.workspace.root, str(self.document["data_version"]), "test")
        # As the journal keeps them: what is compared is masked on both sides.
        texts = [mask_pii(record.text)[0] for record in records]
        answers = self.predictor.predict(texts)
        columns = {
            "source": [record.source for record in records],
            "request": [record.id for record in records],
            "position": [0] * len(records),
            "guess": [self.labels.index(label) for label in answers.labels],
            "confidence": answers.probabilities.max(axis=1).tolist(),
            "words": [count_words(text) for text in texts],
            "unknown": list(answers.unknown),
            "lang": [self.language(text) for text in texts],
            "embedding": self.predictor.embed(texts).tolist(),
        }
        with files.staging_dir(folder) as staging:
            parquet.write_rows(staging / TABLE, columns)
            files.write_receipt(staging, Receipt("watch", counts={"texts": len(texts)}))


def build_sample(columns: dict[str, list[Any]]) -> WindowSample:
    """Build the values that windows are compared by from named columns of equal length; `embedding` may be missing."""
    return WindowSample(
        guess=np.array(columns["guess"], dtype=np.int64),
        confidence=np.array(columns["confidence"], dtype=np.float64),
        words=np.array(columns["words"], dtype=np.float64),
        unknown=np.array(columns["unknown"], dtype=np.float64),
        lang=np.array(columns["lang"], dtype=str),
        embedding=np.array(columns["embedding"], dtype=np.float64) if columns.get("embedding") else None,
        request=tuple(columns["request"]),
        position=tuple(columns["position"]),
    )
