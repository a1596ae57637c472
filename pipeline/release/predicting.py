"""What a comparison needs of a model: it predicts texts."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.base.records import TextRecord
from pipeline.core.tasks import Task


class LabelledTexts(Protocol):
    """Predictions; `labels` are names, in the order of the texts, `probabilities` are NxL."""

    @property
    def labels(self) -> Sequence[str]:
        """The predicted label of each text."""

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """The probability of each label of the model, a row for each text."""


class TextPredictor(Protocol):
    """Anything that predicts the labels of texts."""

    @property
    def labels(self) -> Sequence[str]:
        """The labels that it knows."""

    def predict(self, texts: Sequence[str], /) -> LabelledTexts:
        """Predict each text."""


PredictorLoader = Callable[[Path], TextPredictor]


def predicted_labels(predictor: TextPredictor, records: Sequence[TextRecord], task: Task) -> list[str]:
    """Return the predicted label of each text by name, or the outcome that the task compares."""
    answers = predictor.predict([record.text for record in records]).labels
    return task.outcomes(predictor, records, answers)
