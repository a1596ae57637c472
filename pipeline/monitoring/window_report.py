"""The topics of one window: prevalence, drift and quality of all texts together and of each topic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.base import logs
from pipeline.base.config import WatchConfig
from pipeline.base.documents import DriftReport, ObservedQuality, TopicReport
from pipeline.base.errors import TonewatchError
from pipeline.base.records import JournalEntry
from pipeline.base.seeds import seed_for
from pipeline.core.change.profile import describe_window
from pipeline.core.evaluate.bootstrap import BootstrapConfig
from pipeline.core.monitor import drift, prevalence, quality
from pipeline.core.monitor.detectors import WindowSample
from pipeline.core.monitor.windows import Window
from pipeline.monitoring.labelled import LabelPairs
from pipeline.monitoring.reference import ReleaseReference, build_sample
from pipeline.monitoring.window_counts import TopicCounts, WindowPredictions, draw_rows

log = logs.get("watch")


@dataclass(frozen=True)
class WindowContext:
    """What all topics of a window are judged by.

    `topics` is how many are compared.
    """

    reference: ReleaseReference
    cfg: WatchConfig
    seed: int
    topics: int

    @property
    def bootstrap(self) -> BootstrapConfig:
        """Return the settings of every interval of the window."""
        return BootstrapConfig(self.cfg.resamples, self.cfg.confidence, self.seed)


def describe_topics(
    reference: ReleaseReference,
    predictions: WindowPredictions,
    labelled: Mapping[str, LabelPairs],
    *,
    window: Window,
    cfg: WatchConfig,
    seed: int,
) -> dict[str, TopicReport]:
    """Describe each topic of a window from the release's predictions in it and the feedback sent in it."""
    sizes = {topic: counts.texts for topic, counts in predictions.topics.items()}
    judged = {topic: texts for topic, texts in sizes.items() if texts >= cfg.min_texts}
    context = WindowContext(reference, cfg, seed_for(seed, "watch", window.start), len(judged))
    rows = {
        topic: draw_rows(texts, drift.comparable_size(texts, cfg.drift), context.seed)
        for topic, texts in judged.items()
    }
    samples = predictions.sample(rows)
    reports = {}
    for topic, counts in predictions.topics.items():
        report = _topic_report(counts, labelled.get(topic, LabelPairs()), context)
        if topic in samples:
            # One topic after the other: only its sample is in memory.
            entries = predictions.entries(samples[topic])
            report = _compared(report, topic, entries, counts, context)
        reports[topic] = report
    return reports


def _topic_report(counts: TopicCounts, labelled: LabelPairs, context: WindowContext) -> TopicReport:
    reference, judged = context.reference, counts.texts >= context.cfg.min_texts
    report: TopicReport = {
        "texts": counts.texts,
        "observed": observe_quality(labelled, reference.labels, context.bootstrap),
        "prevalence": None,
        "estimated": None,
        "drift": None,
    }
    if judged:
        label_counts = [counts.labels[label] for label in reference.labels]
        report["prevalence"] = prevalence.estimate_prevalence(
            label_counts, reference.confusion, reference.labels, context.bootstrap
        )
        report["estimated"] = quality.estimated_quality(
            counts.texts, counts.mean_confidence, context.bootstrap
        )
    return report


def observe_quality(
    labelled: LabelPairs, labels: Sequence[str], bootstrap: BootstrapConfig
) -> ObservedQuality | None:
    """Measure quality by ground truth; None where there is none."""
    return quality.observed_quality(labelled.truth, labelled.predicted, labels, bootstrap)


def _compared(
    report: TopicReport,
    topic: str,
    entries: Sequence[JournalEntry],
    counts: TopicCounts,
    context: WindowContext,
) -> TopicReport:
    """Describe a sample of the texts, and compare it with the reference; where there is none, say why."""
    reference = context.reference
    sample = _window_sample(reference, entries)
    label_counts = {label: counts.labels[label] for label in reference.labels}
    try:
        return {
            **report,
            "profile": describe_window(sample, label_counts, reference.embedding_map),
            "drift": _drift_report(topic, sample, context),
        }
    except TonewatchError as error:
        log.error("reference.unreadable", release=reference.name, reason=str(error))
        why = f"The texts that {reference.name} was tested on cannot be read: {error}"
        profile = describe_window(sample, label_counts, None)
        return {**report, "profile": profile, "not_compared": why}


def _drift_report(topic: str, sample: WindowSample, context: WindowContext) -> DriftReport:
    calibration = context.reference.calibration(topic, sample, context.cfg, topics=context.topics)
    return {
        **drift.judge_window(sample, calibration),
        "alarm": False,
        "examples": drift.most_moved_texts(sample, calibration, context.cfg.drift.examples),
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
