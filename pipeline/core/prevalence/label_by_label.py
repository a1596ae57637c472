"""Prevalence where a text may have several labels: of each by itself, as the share of texts that have it.

A label is an indicator: a text has it or not, and the rest of the texts is the other class. So each label is
estimated as one of two labels that exclude each other, by the same estimator; the shares need not sum to 1.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pipeline.base.config import PrevalenceConfig
from pipeline.base.documents import PrevalenceEntry
from pipeline.base.documents.audit import AuditLabel
from pipeline.core.prevalence.estimator import PrevalenceEstimator
from pipeline.core.prevalence.ppi import Population
from pipeline.core.prevalence.topic_texts import TopicTexts

REST = ""  # the texts without a label; no label has this name
LabelTexts = Mapping[str, TopicTexts]


class LabelByLabel:
    """Estimate the share of texts that have each label; the arguments are those of PrevalenceEstimator.

    `carried` returns the labels that an answer has.
    """

    def __init__(
        self,
        labels: Sequence[str],
        audited: Mapping[str, Sequence[AuditLabel]],
        populations: Mapping[str, Population],
        *,
        carried: Callable[[str], Collection[str]],
        blocked: Mapping[str, str],
        cfg: PrevalenceConfig,
        confidence: float,
    ) -> None:
        self._estimators = {
            label: PrevalenceEstimator(
                (label, REST),
                {
                    topic: [_indicator(entry, label, row, carried) for entry in entries]
                    for topic, entries in audited.items()
                },
                {topic: _mean_of(population, row) for topic, population in populations.items()},
                blocked=blocked,
                cfg=cfg,
                confidence=confidence,
            )
            for row, label in enumerate(labels)
        }

    def topic(self, name: str, texts: LabelTexts) -> dict[str, PrevalenceEntry]:
        """Estimate a topic, each label from its own counts."""
        return {label: one.topic(name, texts[label])[label] for label, one in self._estimators.items()}

    def all_topics(self, name: str, topics: Mapping[str, LabelTexts]) -> dict[str, PrevalenceEntry]:
        """Estimate all texts together."""
        return {
            label: one.all_topics(name, {topic: texts[label] for topic, texts in topics.items()})[label]
            for label, one in self._estimators.items()
        }


def label_texts(
    count: float, total: float, squares: float, *, texts: float, independent: float
) -> TopicTexts:
    """Return the texts of a topic for one label: those that have it, and the rest.

    `count` is how many are predicted to have it, `total` the sum of its probability and `squares` of its
    square.
    """
    return TopicTexts(
        np.array([count, texts - count]),
        np.array([total, texts - total]),
        np.array([squares, texts - 2 * total + squares]),
        independent,
    )


def _indicator(
    entry: AuditLabel, label: str, row: int, carried: Callable[[str], Collection[str]]
) -> AuditLabel:
    """Return an audit label as the answer to whether its text has a label."""
    probability = entry.probabilities[row]
    return replace(
        entry,
        label=label if label in carried(entry.label) else REST,
        predicted=label if label in carried(entry.predicted) else REST,
        probabilities=(probability, 1 - probability),
    )


def _mean_of(population: Population, row: int) -> Population:
    mean = float(population.mean_L[row])
    return Population(np.array([mean, 1 - mean]), population.texts)
