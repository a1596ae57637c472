"""Audit labels: the true labels of predictions that the service drew at random."""

from dataclasses import dataclass
from typing import Literal

LabelOrigin = Literal["audit", "feedback", "model"]


@dataclass(frozen=True)
class AuditLabel:
    """The true label of one prediction, and how the prediction came to be labelled.

    `time` is when the text was written and `labelled_at` when the label was given, both in UTC as
    2026-11-25T08:00:00Z. `inclusion` is the probability with which the service drew the prediction: an
    estimate weighs the label by 1/inclusion. `cluster` is equal for texts that are exact or near duplicates:
    they have one vote together. `probabilities` are the model's, in the order of the release's labels. Only
    the origin `audit` may move a gate, a rollback, an estimate of quality or a correction; `feedback` was
    volunteered and `model` was given by another model, and both train at most.
    """

    request: str
    position: int
    time: str
    topic: str
    release: str
    cluster: str
    predicted: str
    probabilities: tuple[float, ...]
    label: str
    inclusion: float
    annotator: str
    labelled_at: str
    origin: LabelOrigin = "audit"
    # All topics of the text, and how many drawn predictions the label stands for: copies of one text.
    topics: tuple[str, ...] = ()
    drawn: int = 1

    @property
    def weight(self) -> float:
        """Return for how many predictions the label stands (Horvitz and Thompson, 1952)."""
        return self.drawn / self.inclusion


@dataclass(frozen=True)
class DrawnPrediction:
    """A prediction that the service drew to be labelled; it holds no text.

    `came` is the hour in which the text came, as 2026-11-25T08. `place` in [0, 1) is its random place in the
    queue, `second` whether two people are asked. `readable` says whether the journal stores the text.
    """

    request: str
    position: int
    time: str
    came: str
    topic: str
    topics: tuple[str, ...]
    release: str
    cluster: str
    predicted: str
    probabilities: tuple[float, ...]
    inclusion: float
    place: float
    second: bool
    readable: bool
    text_id: str = ""


@dataclass(frozen=True)
class Opinion:
    """The label that an annotator gave to a cluster of texts; `label` is empty where they skipped it."""

    cluster: str
    annotator: str
    label: str
    time: str
    origin: LabelOrigin = "audit"
