"""Four simulated topics that one model is wrong in, each in its own way, as the default data's sources are.

Shares of the labels are those of the default data's test texts, and the model's neutral recall there is 0.68,
0.50, 0.48 and 0.06.
"""

from dataclasses import dataclass

import numpy as np
from audited import LABELS
from numpy.typing import NDArray

from pipeline.base.documents.audit import AuditLabel
from pipeline.core.prevalence.ppi import Population
from pipeline.core.prevalence.topic_texts import TopicTexts

Array = NDArray[np.float64]
SIGNAL = 1.6  # how much higher the logit of the true label is


@dataclass(frozen=True)
class Source:
    """The shares of the labels, and how much lower the logit of neutral is than it should be."""

    shares: tuple[float, float, float]
    neutral: float

    def draw(self, texts: int, random: np.random.Generator) -> tuple[NDArray[np.int64], Array]:
        """Draw the true labels of texts and the model's probabilities."""
        truth = random.choice(3, size=texts, p=self.shares)
        logits = random.normal(size=(texts, 3))
        logits[np.arange(texts), truth] += SIGNAL
        logits[:, 1] += self.neutral
        odds = np.exp(SIGNAL * logits)
        return truth, odds / odds.sum(axis=1, keepdims=True)

    def population(self) -> Population:
        """Return the mean probabilities over some weeks of texts."""
        _, probabilities = self.draw(20_000, np.random.default_rng(1))
        return Population(probabilities.mean(axis=0), 20_000.0)


SOURCES = {
    "nyt": Source((0.357, 0.450, 0.193), -0.40),
    "tweet": Source((0.235, 0.192, 0.573), -1.01),
    "amazon": Source((0.204, 0.153, 0.643), -1.09),
    "movie": Source((0.478, 0.056, 0.466), -2.98),
}


def topic_texts(probabilities: Array) -> TopicTexts:
    """Return the texts of a window by their probabilities."""
    counts = np.bincount(probabilities.argmax(axis=1), minlength=3).astype(np.float64)
    squares = (probabilities**2).sum(axis=0)
    return TopicTexts(counts, probabilities.sum(axis=0), squares, float(len(probabilities)))


def label_texts(
    topic: str, truth: NDArray[np.int64], probabilities: Array, **values: float
) -> list[AuditLabel]:
    """Return the audit labels of these texts."""
    inclusion = values.get("inclusion", 0.01)
    return [
        AuditLabel(
            request=f"{topic}{number}",
            position=0,
            time="2026-11-25T08:00:00Z",
            topic=topic,
            release="R1",
            cluster=f"{topic}{number}",
            predicted=LABELS[int(np.argmax(row))],
            probabilities=tuple(row),
            label=LABELS[label],
            inclusion=inclusion,
            annotator="ada",
            labelled_at="2026-11-25T09:00:00Z",
        )
        for number, (label, row) in enumerate(zip(truth, probabilities, strict=True))
    ]
