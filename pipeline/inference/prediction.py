"""The prediction for one text, the same on the command line, in a scored table and in the service."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.base.labels import UNCERTAIN

if TYPE_CHECKING:
    from pipeline.core.model.predictor import Predictions

PROBABILITY_DIGITS = 6


@dataclass(frozen=True)
class Prediction:
    """Hold the prediction for one text.

    `best` is the label with the highest probability, `label` is that or `uncertain` where its probability is
    too low, `cut` whether the text has more tokens than the model reads.
    """

    label: str
    best: str
    uncertain: bool
    cut: bool
    probabilities: dict[str, float]


def prediction_of(
    predictions: "Predictions", row: int, *, labels: Sequence[str], answer: str | None = None
) -> Prediction:
    """Return what a predictor with these labels predicts for one row; probabilities are rounded.

    `answer` is that of the text as it was sent, where it differs from that of the cleaned one.
    """
    best, uncertain = answer or predictions.labels[row], predictions.uncertain[row]
    rounded = (round(value, PROBABILITY_DIGITS) for value in predictions.probabilities[row].tolist())
    return Prediction(
        label=UNCERTAIN if uncertain else best,
        best=best,
        uncertain=uncertain,
        cut=predictions.cut[row],
        probabilities=dict(zip(labels, rounded, strict=True)),
    )
