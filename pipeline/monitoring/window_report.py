"""The topics of one window: prevalence, drift and quality of all texts together and of each topic."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from pipeline.base.config import WatchConfig
from pipeline.base.documents import DriftReport, ObservedQuality, TopicReport
from pipeline.base.records import JournalEntry
from pipeline.base.seeds import seed_for
from pipeline.core.evaluate.bootstrap import BootstrapConfig
from pipeline.core.monitor import drift, prevalence, quality
from pipeline.core.monitor.detectors import WindowSample
from pipeline.core.monitor.windows import Window
from pipeline.monitoring.labelled import LabelledPrediction
from pipeline.monitoring.reference import ReleaseReference, build_sample

ALL = "all"
Entry = TypeVar("Entry")


@dataclass(frozen=True)
class WindowContext:
    """What all topics of a window are judged by.

    `topics` is how many are judged, `drifted` which earlier windows of each topic drifted, the newest last.
    """

    reference: ReleaseReference
    cfg: WatchConfig
    seed: int
    topics: int
    drifted: Mapping[str, Sequence[bool]]

    @property
    def bootstrap(self) -> BootstrapConfig:
        """Return the settings of every interval of the window."""
        return BootstrapConfig(self.cfg.resamples, self.cfg.confidence, self.seed)


def describe_topics(
    reference: ReleaseReference,
    predictions: Sequence[JournalEntry],
    labelled: Sequence[LabelledPrediction],
    *,
    window: Window,
    cfg: WatchConfig,
    seed: int,
    drifted: Mapping[str, Sequence[bool]],
) -> dict[str, TopicReport]:
    """Describe each topic of a window from the release's predictions in it and the feedback sent in it.

    `drifted` holds, for each topic, which earlier windows drifted, the newest last.
    """
    topics = group_by_topic(predictions, [entry.topic for entry in predictions])
    labelled_topics = group_by_topic(labelled, [prediction.entry.topic for prediction in labelled])
    judged = [topic for topic, entries in topics.items() if len(entries) >= cfg.min_texts]
    context = WindowContext(reference, cfg, seed_for(seed, "watch", window.start), len(judged), drifted)
    return {
        topic: _topic_report(topic, entries, labelled_topics.get(topic, ()), context)
        for topic, entries in topics.items()
    }


def _topic_report(
    topic: str,
    entries: Sequence[JournalEntry],
    labelled: Sequence[LabelledPrediction],
    context: WindowContext,
) -> TopicReport:
    reference, judged = context.reference, len(entries) >= context.cfg.min_texts
    report: TopicReport = {
        "texts": len(entries),
        "observed": observe_quality(labelled, reference.labels, context.bootstrap),
        "prevalence": None,
        "estimated": None,
        "drift": None,
    }
    if judged:
        report["prevalence"] = prevalence.estimate_prevalence(
            count_labels(entries, reference.labels), reference.confusion, reference.labels, context.bootstrap
        )
        confidences = [max(entry.probabilities) for entry in entries]
        report["estimated"] = quality.estimated_quality(confidences, context.bootstrap)
        report["drift"] = _drift_report(topic, entries, context)
    return report


def observe_quality(
    labelled: Sequence[LabelledPrediction], labels: Sequence[str], bootstrap: BootstrapConfig
) -> ObservedQuality | None:
    """Measure quality by ground truth; None where there is none."""
    truth = [prediction.truth for prediction in labelled]
    predicted = [prediction.entry.label for prediction in labelled]
    return quality.observed_quality(truth, predicted, labels, bootstrap)


def group_by_topic(entries: Sequence[Entry], topics: Sequence[str]) -> dict[str, list[Entry]]:
    """Group entries by their topics; `all` holds all of them."""
    groups: dict[str, list[Entry]] = {ALL: list(entries)}
    for entry, topic in zip(entries, topics, strict=True):
        groups.setdefault(topic, []).append(entry)
    return groups


def count_labels(entries: Sequence[JournalEntry], labels: Sequence[str]) -> list[int]:
    """Count the predictions of each label."""
    counts = Counter(entry.label for entry in entries)
    return [counts[label] for label in labels]


def _drift_report(topic: str, entries: Sequence[JournalEntry], context: WindowContext) -> DriftReport:
    cfg = context.cfg.drift
    order = np.random.default_rng(context.seed).permutation(len(entries))
    rows = sorted(order[: drift.comparable_size(len(entries), cfg)])
    sample = _window_sample(context.reference, [entries[row] for row in rows])
    calibration = context.reference.calibration(topic, sample, context.cfg, topics=context.topics)
    verdict = drift.judge_window(sample, calibration)
    return {
        **verdict,
        "alarm": drift.alarm_starts([*context.drifted.get(topic, ()), verdict["drifted"]], cfg),
        "examples": drift.most_moved_texts(sample, calibration, cfg.examples),
    }


def _window_sample(reference: ReleaseReference, entries: Sequence[JournalEntry]) -> WindowSample:
    texts = [entry.text for entry in entries]
    # Where only hashes of texts are stored, their embeddings cannot be computed.
    embedding = reference.predictor.embed(texts).tolist() if all(texts) else []
    return build_sample(
        {
            "request": [entry.request for entry in entries],
            "position": [entry.position for entry in entries],
            "predicted": [reference.labels.index(entry.label) for entry in entries],
            "confidence": [max(entry.probabilities) for entry in entries],
            "words": [entry.words for entry in entries],
            "unknown": [entry.unknown for entry in entries],
            "lang": [entry.lang or reference.language(entry.text) for entry in entries],
            "embedding": embedding,
        }
    )
