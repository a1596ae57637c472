"""The topics of one window: prevalence, drift and quality of all texts together and of each topic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.base import logs
from pipeline.base.config import WatchConfig
from pipeline.base.documents import DriftReport, PrevalenceEntry, TopicReport
from pipeline.base.errors import TonewatchError
from pipeline.base.records import JournalEntry
from pipeline.base.seeds import seed_for
from pipeline.core.change.profile import describe_window
from pipeline.core.evaluate.bootstrap import BootstrapConfig
from pipeline.core.monitor import drift, quality
from pipeline.core.monitor.detectors import WindowSample
from pipeline.core.monitor.text_clusters import share_of_near_copies
from pipeline.core.monitor.windows import Window
from pipeline.monitoring.reference import ReleaseReference
from pipeline.monitoring.windows.copies import measure_copies
from pipeline.monitoring.windows.counts import TopicCounts, WindowPredictions, draw_rows
from pipeline.monitoring.windows.embeddings import WindowEmbeddings
from pipeline.monitoring.windows.labelled import AuditedTopics
from pipeline.monitoring.windows.samples import answer_columns, build_sample
from pipeline.monitoring.windows.shares import ShareRequest, estimate_shares

# Drift of these kinds changes how wrong the model is, so what was measured before corrects nothing.
UNCORRECTED_KINDS = ("topic", "encoding", "language")
# Their errors come together, so how often all are right does not follow from the probability of each.
NOT_ESTIMATED = (
    "the model gives each label of a text a probability of its own, and none to the whole answer; "
    "audit labels measure the accuracy"
)

log = logs.get("watch")


@dataclass(frozen=True)
class WindowContext:
    """What all topics of a window are judged by.

    `topics` is how many are compared, `active_alarms` the kind of the active drift alarm of a topic.
    """

    reference: ReleaseReference
    cfg: WatchConfig
    seed: int
    topics: int
    active_alarms: Mapping[str, str]

    @property
    def bootstrap(self) -> BootstrapConfig:
        """Return the settings of every interval of the window."""
        return BootstrapConfig(self.cfg.resamples, self.cfg.confidence, self.seed)

    @cached_property
    def embeddings(self) -> WindowEmbeddings:
        """Return the embeddings of the window's texts."""
        return WindowEmbeddings(self.reference.predictor.embed)


def describe_topics(
    reference: ReleaseReference,
    predictions: WindowPredictions,
    audited: AuditedTopics,
    *,
    window: Window,
    cfg: WatchConfig,
    seed: int,
    active_alarms: Mapping[str, str],
) -> dict[str, TopicReport]:
    """Describe each topic of a window from the release's predictions in it and its audit labels.

    `active_alarms` holds the kind of the active drift alarm of a topic, which is not corrected then.
    """
    measure_copies(predictions, seed)
    sizes = {topic: counts.texts for topic, counts in predictions.topics.items()}
    judged = {topic: texts for topic, texts in sizes.items() if texts >= cfg.min_texts}
    context = WindowContext(reference, cfg, seed_for(seed, "watch", window.start), len(judged), active_alarms)
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
            entries = predictions.entries(samples[topic])
            near = share_of_near_copies([entry.text for entry in entries if entry.text])
            counts.copies = max(counts.copies, near)
            report = _compared(report, topic, entries, counts, context)
        reports[topic] = report
    for topic, shares in _prevalence(predictions, audited, context).items():
        reports[topic]["prevalence"] = shares
    return reports


def _topic_report(
    topic: str, counts: TopicCounts, audited: AuditedTopics, context: WindowContext
) -> TopicReport:
    labels, form = context.reference.labels, context.reference.form
    report: TopicReport = {
        "texts": counts.texts,
        "observed": quality.observed_quality(
            audited.given.get(topic, ()), labels, context.bootstrap, form=form
        ),
        "prevalence": None,
        "estimated": None,
        "drift": None,
    }
    if counts.texts:
        report["mean_probability"] = {
            label: counts.probabilities.get(row, 0.0) / counts.texts for row, label in enumerate(labels)
        }
    if not form.one_label:
        report["not_estimated"] = NOT_ESTIMATED
    elif counts.texts >= context.cfg.min_texts:
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
    blocked = {
        topic: f"a drift alarm of kind {kind} is active, so earlier audit labels do not hold"
        for topic, kind in context.active_alarms.items()
        if kind in UNCORRECTED_KINDS
    }
    reference = context.reference
    request = ShareRequest(reference.form, reference.labels, audited, blocked, context.cfg)
    return estimate_shares(predictions.topics, request)


def _compared(
    report: TopicReport,
    topic: str,
    entries: Sequence[JournalEntry],
    counts: TopicCounts,
    context: WindowContext,
) -> TopicReport:
    """Describe a sample of the texts, and compare it with the reference; where there is none, say why."""
    reference = context.reference
    sample = _window_sample(context, entries)
    label_counts = counts.carrying(reference.form, reference.labels)
    try:
        return {
            **report,
            "profile": describe_window(sample, label_counts, counts.texts, reference.embedding_map),
            "drift": _drift_report(topic, sample, context),
        }
    except TonewatchError as error:
        log.error("reference.unreadable", release=reference.name, reason=str(error))
        why = f"The texts that {reference.name} was tested on cannot be read: {error}"
        profile = describe_window(sample, label_counts, counts.texts, None)
        return {**report, "profile": profile, "not_compared": why}


def _drift_report(topic: str, sample: WindowSample, context: WindowContext) -> DriftReport:
    calibration = context.reference.calibration(topic, sample, context.cfg, topics=context.topics)
    return {
        **drift.judge_window(sample, calibration),
        "alarm": False,
        "examples": drift.most_moved_texts(sample, calibration, context.cfg.drift.examples),
    }


def _window_sample(context: WindowContext, entries: Sequence[JournalEntry]) -> WindowSample:
    reference = context.reference
    texts = [entry.text for entry in entries]
    # Where only hashes of texts are stored, their embeddings cannot be computed.
    embedding = context.embeddings.of(texts) if all(texts) else []
    answers = [entry.label for entry in entries]
    probabilities = np.array([entry.probabilities for entry in entries], dtype=np.float64)
    return build_sample(
        {
            **answer_columns(reference.form, answers, probabilities, reference.labels),
            "request": [entry.request for entry in entries],
            "position": [entry.position for entry in entries],
            "words": [entry.words for entry in entries],
            "unknown": [entry.unknown for entry in entries],
            "lang": [entry.lang or reference.language(entry.text) for entry in entries],
            "embedding": embedding,
        },
        reference.labels,
    )
