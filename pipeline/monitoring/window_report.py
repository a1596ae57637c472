"""The topics of one window: prevalence, drift and quality of all texts together and of each topic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.base.config import DriftConfig, WatchConfig
from pipeline.base.documents import DriftReport, PrevalenceEntry, TopicReport, WindowReport
from pipeline.base.records import JournalEntry
from pipeline.base.seeds import seed_for
from pipeline.core.evaluate.bootstrap import BootstrapConfig
from pipeline.core.monitor import drift, quality
from pipeline.core.monitor.detectors import WindowSample
from pipeline.core.monitor.windows import Window
from pipeline.core.prevalence.estimator import PrevalenceEstimator
from pipeline.core.prevalence.topic_texts import TopicTexts
from pipeline.monitoring.labelled import AuditedTopics
from pipeline.monitoring.reference import ReleaseReference, build_sample
from pipeline.monitoring.window_counts import ALL, TopicCounts, WindowPredictions, draw_rows

# Drift of these kinds changes how wrong the model is, so what was measured before corrects nothing.
UNCORRECTED_KINDS = ("topic", "encoding", "language")


@dataclass(frozen=True)
class WindowContext:
    """What all topics of a window are judged by.

    `topics` is how many are judged, `drifted` which earlier windows of each topic drifted, the newest last,
    and `standing` the kind of the drift alarm that stands in a topic.
    """

    reference: ReleaseReference
    cfg: WatchConfig
    seed: int
    topics: int
    drifted: Mapping[str, Sequence[bool]]
    standing: Mapping[str, str]

    @property
    def bootstrap(self) -> BootstrapConfig:
        """Return the settings of every interval of the window."""
        return BootstrapConfig(self.cfg.resamples, self.cfg.confidence, self.seed)


def describe_topics(
    reference: ReleaseReference,
    predictions: WindowPredictions,
    audited: AuditedTopics,
    *,
    window: Window,
    cfg: WatchConfig,
    seed: int,
    drifted: Mapping[str, Sequence[bool]],
    standing: Mapping[str, str],
) -> dict[str, TopicReport]:
    """Describe each topic of a window from the release's predictions in it and its audit labels.

    `drifted` holds, for each topic, which earlier windows drifted, the newest last, and `standing` the kind
    of the drift alarm that stands in a topic, which is not corrected then.
    """
    sizes = {topic: counts.texts for topic, counts in predictions.topics.items()}
    judged = {topic: texts for topic, texts in sizes.items() if texts >= cfg.min_texts}
    context = WindowContext(
        reference, cfg, seed_for(seed, "watch", window.start), len(judged), drifted, standing
    )
    rows = {
        topic: draw_rows(texts, drift.comparable_size(texts, cfg.drift), context.seed)
        for topic, texts in judged.items()
    }
    samples = predictions.sample(rows)
    reports = {}
    for topic, counts in predictions.topics.items():
        report = _topic_report(topic, counts, audited, context)
        if topic in samples:
            # One topic after the other: only its sample is in memory.
            report["drift"] = _drift_report(topic, predictions.entries(samples[topic]), context)
        reports[topic] = report
    for topic, entries in _prevalence(predictions, audited, context).items():
        reports[topic]["prevalence"] = entries
    return reports


def _topic_report(
    topic: str, counts: TopicCounts, audited: AuditedTopics, context: WindowContext
) -> TopicReport:
    labels = context.reference.labels
    report: TopicReport = {
        "texts": counts.texts,
        "observed": quality.observed_quality(audited.given.get(topic, ()), labels, context.bootstrap),
        "prevalence": None,
        "estimated": None,
        "drift": None,
    }
    if counts.texts:
        report["mean_probability"] = {
            label: counts.probabilities.get(row, 0.0) / counts.texts for row, label in enumerate(labels)
        }
    if counts.texts >= context.cfg.min_texts:
        report["estimated"] = quality.estimated_quality(
            counts.texts, counts.mean_confidence, context.bootstrap
        )
    return report


def _prevalence(
    predictions: WindowPredictions,
    audited: AuditedTopics,
    context: WindowContext,
) -> dict[str, dict[str, PrevalenceEntry]]:
    """Estimate the shares in the topics that have enough texts."""
    labels = context.reference.labels
    rows = range(len(labels))
    texts = {
        topic: TopicTexts(
            np.array([counts.labels[label] for label in labels], dtype=np.float64),
            np.array([counts.probabilities.get(row, 0.0) for row in rows]),
            np.array([counts.squares.get(row, 0.0) for row in rows]),
            counts.independent,
        )
        for topic, counts in predictions.topics.items()
        if counts.texts
    }
    estimator = PrevalenceEstimator(
        labels,
        audited.recent,
        audited.populations,
        blocked={
            topic: f"a drift alarm of kind {kind} stands, so earlier audit labels do not hold"
            for topic, kind in context.standing.items()
            if kind in UNCORRECTED_KINDS
        },
        cfg=context.cfg.prevalence,
        confidence=context.cfg.confidence,
    )
    judged = [topic for topic, one in texts.items() if one.texts >= context.cfg.min_texts]
    entries = {topic: estimator.topic(topic, texts[topic]) for topic in judged if topic != ALL}
    if ALL in judged:
        named = {topic: one for topic, one in texts.items() if topic != ALL}
        entries[ALL] = estimator.all_topics(ALL, named)
    return entries


def standing_drift(windows: Sequence[WindowReport], cfg: DriftConfig) -> dict[str, str]:
    """Return the kind of the drift alarm that stands in each topic after these windows, the newest last."""
    standing = {}
    for topic in {topic for window in windows for topic in window["topics"]}:
        reports = [window["topics"][topic]["drift"] for window in windows if topic in window["topics"]]
        drifted = [bool(report and report["drifted"]) for report in reports]
        kinds = [report["kind"] for report in reports if report and report["kind"]]
        if kinds and drift.alarm_is_active(drifted, cfg):
            standing[topic] = kinds[-1]
    return standing


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
