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
