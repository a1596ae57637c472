"""Prevalence: the share of each label among the texts of a window, corrected by audit labels.

The window's texts are a census: its share is that of exactly these texts. What the model says of them is
known without error, and how wrong it is in a topic is measured on the topic's audit labels of recent weeks.
So the interval holds the error of the labels, and that of one window's texts around it. The share itself is
pulled towards the raw one as far as labels find no more bias than chance, so that it errs no more than the
raw one on the average; the interval is not. Its limit: the model must be as wrong in this window as in those
weeks, so nothing is corrected while the texts of a topic have changed.

With few labels a topic is pooled with others; where that is not possible the share is not corrected, and the
reason is beside it.

Legend: L labels.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.base.config import PrevalenceConfig
from pipeline.base.documents import PrevalenceEntry, PrevalenceMethod
from pipeline.base.documents.audit import AuditLabel
from pipeline.core.prevalence.intervals import Array, interval, onto_simplex, standard_errors
from pipeline.core.prevalence.ppi import (
    LabelledTexts,
    Population,
    Rectifier,
    measure_rectifier,
    pool,
    share_variance,
    trust,
)
from pipeline.core.prevalence.topic_texts import TopicTexts, total

# A variance between fewer topics is no estimate.
POOLED_TOPICS = 3


class PrevalenceEstimator:
    """Estimate the prevalence of labels in the topics of a window from the audit labels of its release.

    `audited` holds each topic's labels, one a text cluster, `populations` the mean probabilities over the
    texts that they were drawn from, and `blocked` why a topic may not be corrected now.
    """

    def __init__(
        self,
        labels: Sequence[str],
        audited: Mapping[str, Sequence[AuditLabel]],
        populations: Mapping[str, Population],
        *,
        blocked: Mapping[str, str],
        cfg: PrevalenceConfig,
        confidence: float,
    ) -> None:
        self._labels = tuple(labels)
        self._audited = {topic: entries for topic, entries in audited.items() if entries}
        self._populations = populations
        self._blocked = blocked
        self._cfg = cfg
        self._confidence = confidence
        self._rectifiers = {
            topic: measure_rectifier(self._labelled(entries), populations.get(topic))
            for topic, entries in self._audited.items()
        }
        # Those that say how topics differ.
        self._measured = [
            rectifier
            for topic, rectifier in self._rectifiers.items()
            if topic not in blocked and rectifier.labels >= cfg.min_labels
        ]

    def topic(self, name: str, texts: TopicTexts) -> dict[str, PrevalenceEntry]:
        """Estimate a topic: by its own labels, pooled with other topics, or not corrected with the reason."""
        rectifier = self._rectifiers.get(name)
        if name in self._blocked or rectifier is None:
            return self._uncorrected(texts, self._blocked.get(name) or self._unlabelled(), rectifier)
        if rectifier.labels >= self._cfg.min_labels:
            return self._corrected(texts, rectifier, "ppi")
        if len(self._measured) >= POOLED_TOPICS:
            return self._corrected(texts, pool(rectifier, self._measured), "pooled")
        why = (
            f"it has {_count(rectifier.labels)}, {self._cfg.min_labels} are needed "
            "(watch.prevalence.min_labels), and fewer than "
            f"{POOLED_TOPICS} other topics have so many to pool with"
        )
        return self._uncorrected(texts, why, rectifier)

    def all_topics(self, name: str, topics: Mapping[str, TopicTexts]) -> dict[str, PrevalenceEntry]:
        """Estimate all texts together: each topic's labels stand for its texts in the window.

        Topics without usable labels may hold any share from 0 to 1, which widens the interval by their part
        of the texts (Manski, 1989).
        """
        whole = total(topics.values())
        labelled = {
            topic: texts
            for topic, texts in topics.items()
            if topic in self._audited and topic not in self._blocked
        }
        covered = total(labelled.values()) if labelled else None
        if name in self._blocked or covered is None:
            return self._uncorrected(whole, self._blocked.get(name) or self._unlabelled(), None)
        rectifier = self._overall_rectifier(labelled)
        open_part = 1 - covered.texts / whole.texts
        if rectifier.labels < self._cfg.min_labels:
            why = (
                f"there are {_count(rectifier.labels)}, {self._cfg.min_labels} are needed "
                "(watch.prevalence.min_labels)"
            )
            return self._uncorrected(whole, why, rectifier)
        if open_part > self._cfg.max_unlabelled:
            why = f"{open_part:.0%} of the texts are of topics without usable audit labels"
            return self._uncorrected(whole, why, rectifier)
        return self._corrected(whole, rectifier, "ppi", covered=covered)

    def _overall_rectifier(self, labelled: Mapping[str, TopicTexts]) -> Rectifier:
        entries, weights = list[AuditLabel](), list[float]()
        for topic, texts in labelled.items():
            inverse = np.array([entry.weight for entry in self._audited[topic]])
            entries += self._audited[topic]
            weights += (inverse * texts.texts / inverse.sum()).tolist()
        population = None
        if all(topic in self._populations for topic in labelled):
            parts = [(texts.texts, self._populations[topic]) for topic, texts in labelled.items()]
            mean_L = np.average(
                [part.mean_L for _, part in parts], axis=0, weights=[size for size, _ in parts]
            )
            population = Population(mean_L, sum(part.texts for _, part in parts))
        return measure_rectifier(LabelledTexts.of(entries, self._labels, weights), population)

    def _corrected(
        self,
        texts: TopicTexts,
        rectifier: Rectifier,
        method: PrevalenceMethod,
        *,
        covered: TopicTexts | None = None,
    ) -> dict[str, PrevalenceEntry]:
        measured = covered or texts
        part = measured.texts / texts.texts
        share_L = onto_simplex(measured.mean_L + rectifier.mean_L)
        variance_L = share_variance(share_L, rectifier) + rectifier.residual_L / measured.independent
        low_L, high_L = interval(
            share_L,
            variance_L,
            freedom=rectifier.freedom,
            labels=rectifier.labels,
            confidence=self._confidence,
        )
        believed = 1.0 if method == "pooled" else trust(rectifier, self._measured)
        believed = max(believed, 1 - _room(share_L, measured.raw_L, low_L, high_L))
        published_L = np.clip(believed * share_L + (1 - believed) * measured.raw_L, low_L, high_L)
        rest_L = texts.mean_L - part * measured.mean_L
        return self._entries(
            texts,
            share_L=part * published_L + rest_L,
            low_L=part * low_L,
            high_L=part * high_L + 1 - part,
            spread_L=np.sqrt(variance_L),
            noise_L=believed * texts.noise_L + (1 - believed) * texts.raw_noise_L,
            method=method,
            labels=rectifier.labels,
        )

    def _uncorrected(
        self, texts: TopicTexts, why: str, rectifier: Rectifier | None
    ) -> dict[str, PrevalenceEntry]:
        """Return the raw shares; how wrong they are is not known, so their interval is from 0 to 1."""
        ones_L = np.ones(len(self._labels))
        entries = self._entries(
            texts,
            share_L=texts.raw_L,
            low_L=0 * ones_L,
            high_L=ones_L,
            spread_L=0.5 / standard_errors(self._confidence) * ones_L,
            noise_L=texts.raw_noise_L,
            method="none",
            labels=rectifier.labels if rectifier else 0,
        )
        return {label: {**entry, "why": why} for label, entry in entries.items()}

    def _entries(
        self,
        texts: TopicTexts,
        *,
        share_L: Array,
        low_L: Array,
        high_L: Array,
        spread_L: Array,
        noise_L: Array,
        method: PrevalenceMethod,
        labels: int,
    ) -> dict[str, PrevalenceEntry]:
        raw_L, mean_L = texts.raw_L, texts.mean_L
        return {
            label: {
                "raw": float(raw_L[row]),
                "mean_probability": float(mean_L[row]),
                "share": float(share_L[row]),
                "low": float(low_L[row]),
                "high": float(high_L[row]),
                "spread": float(spread_L[row]),
                "noise": float(noise_L[row]),
                "corrected": method != "none",
                "method": method,
                "labels": labels,
            }
            for row, label in enumerate(self._labels)
        }

    def _labelled(self, entries: Sequence[AuditLabel]) -> LabelledTexts:
        return LabelledTexts.of(entries, self._labels, [entry.weight for entry in entries])

    def _unlabelled(self) -> str:
        return f"it has no audit label of this release within {self._cfg.label_days:g} days"


def _room(share_L: Array, raw_L: Array, low_L: Array, high_L: Array) -> float:
    """Return how far shares may be moved towards the raw ones within their intervals, from 0 to 1."""
    step_L = raw_L - share_L
    bound_L = np.where(step_L > 0, high_L, low_L) - share_L
    ratio_L = np.divide(bound_L, step_L, out=np.ones_like(step_L), where=np.abs(step_L) > 1e-12)
    return float(np.clip(ratio_L, 0, 1).min())


def _count(labels: int) -> str:
    return f"{labels:,} audit {'label' if labels == 1 else 'labels'}"
