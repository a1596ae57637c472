"""The topics of one window: prevalence, drift and quality of all texts together and of each topic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.base.config import WatchConfig
from pipeline.base.documents import DriftReport, ObservedQuality, TopicReport
from pipeline.base.records import JournalEntry
from pipeline.base.seeds import seed_for
from pipeline.core.evaluate.bootstrap import BootstrapConfig
from pipeline.core.monitor import drift, prevalence, quality
from pipeline.core.monitor.detectors import WindowSample
from pipeline.core.monitor.windows import Window
from pipeline.monitoring.copies import measure_copies
from pipeline.monitoring.labelled import LabelPairs
from pipeline.monitoring.reference import ReleaseReference, build_sample
from pipeline.monitoring.window_counts import TopicCounts, WindowPredictions, draw_rows


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
    predictions: WindowPredictions,
    labelled: Mapping[str, LabelPairs],
    *,
    window: Window,
    cfg: WatchConfig,
    seed: int,
    drifted: Mapping[str, Sequence[bool]],
) -> dict[str, TopicReport]:
    """Describe each topic of a window from the release's predictions in it and the feedback sent in it.

    `drifted` holds, for each topic, which earlier windows drifted, the newest last.
    """
    measure_copies(predictions, seed)
    sizes = {topic: counts.texts for topic, counts in predictions.topics.items()}
    judged = {topic: texts for topic, texts in sizes.items() if texts >= cfg.min_texts}
    context = WindowContext(reference, cfg, seed_for(seed, "watch", window.start), len(judged), drifted)
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
            report["drift"] = _drift_report(topic, predictions.entries(samples[topic]), context)
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


def _drift_report(topic: str, entries: Sequence[JournalEntry], context: WindowContext) -> DriftReport:
    cfg = context.cfg.drift
    sample = _window_sample(context.reference, entries)
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
