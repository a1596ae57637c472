"""The shares of a window's topics, by the form of the release's answers: of one label, or each by itself."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from pipeline.base.config import WatchConfig
from pipeline.base.documents import PrevalenceEntry
from pipeline.base.tasks import AnswerForm
from pipeline.base.tasks.items import carried_labels
from pipeline.core.prevalence.estimator import PrevalenceEstimator
from pipeline.core.prevalence.label_by_label import LabelByLabel, LabelTexts, label_texts
from pipeline.core.prevalence.topic_texts import TopicTexts
from pipeline.monitoring.windows.counts import ALL, TopicCounts
from pipeline.monitoring.windows.labelled import AuditedTopics

Entries = dict[str, dict[str, PrevalenceEntry]]
Texts_contra = TypeVar("Texts_contra", contravariant=True)
Texts = TypeVar("Texts")


class Estimator(Protocol[Texts_contra]):
    """Estimate the shares of labels in topics, from what is counted of their texts."""

    def topic(self, name: str, texts: Texts_contra) -> dict[str, PrevalenceEntry]:
        """Estimate one topic."""

    def all_topics(self, name: str, topics: Mapping[str, Texts_contra]) -> dict[str, PrevalenceEntry]:
        """Estimate all topics together."""


@dataclass(frozen=True)
class ShareRequest:
    """The form and the labels of a release, the audit labels that correct shares, and what may not be now.

    `blocked` holds why a topic may not be corrected.
    """

    form: AnswerForm
    labels: Sequence[str]
    audited: AuditedTopics
    blocked: Mapping[str, str]
    cfg: WatchConfig


def estimate_shares(topics: Mapping[str, TopicCounts], request: ShareRequest) -> Entries:
    """Estimate the shares in the topics that have enough texts."""
    topics = {topic: counts for topic, counts in topics.items() if counts.texts}
    judged = [topic for topic, counts in topics.items() if counts.texts >= request.cfg.min_texts]
    if request.form.one_label:
        exclusive = {topic: _texts(counts, request) for topic, counts in topics.items()}
        return _entries(_estimator(request), exclusive, judged)
    by_label = {topic: _label_texts(counts, request) for topic, counts in topics.items()}
    return _entries(_label_by_label(request), by_label, judged)


def _entries(estimator: Estimator[Texts], texts: Mapping[str, Texts], judged: Sequence[str]) -> Entries:
    entries = {topic: estimator.topic(topic, texts[topic]) for topic in judged if topic != ALL}
    if ALL in judged:
        named = {topic: one for topic, one in texts.items() if topic != ALL}
        entries[ALL] = estimator.all_topics(ALL, named)
    return entries


def _estimator(request: ShareRequest) -> PrevalenceEstimator:
    return PrevalenceEstimator(
        request.labels,
        request.audited.recent,
        request.audited.populations,
        blocked=request.blocked,
        cfg=request.cfg.prevalence,
        confidence=request.cfg.confidence,
    )


def _label_by_label(request: ShareRequest) -> LabelByLabel:
    return LabelByLabel(
        request.labels,
        request.audited.recent,
        request.audited.populations,
        carried=functools.partial(carried_labels, request.form),
        blocked=request.blocked,
        cfg=request.cfg.prevalence,
        confidence=request.cfg.confidence,
    )


def _texts(counts: TopicCounts, request: ShareRequest) -> TopicTexts:
    rows = range(len(request.labels))
    return TopicTexts(
        np.array([counts.labels[label] for label in request.labels], dtype=np.float64),
        np.array([counts.probabilities.get(row, 0.0) for row in rows]),
        np.array([counts.squares.get(row, 0.0) for row in rows]),
        counts.independent,
    )


def _label_texts(counts: TopicCounts, request: ShareRequest) -> LabelTexts:
    carrying = counts.carrying(request.form, request.labels)
    return {
        label: label_texts(
            carrying[label],
            counts.probabilities.get(row, 0.0),
            counts.squares.get(row, 0.0),
            texts=float(counts.texts),
            independent=counts.independent,
        )
        for row, label in enumerate(request.labels)
    }
