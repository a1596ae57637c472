"""Training objectives for the one training loop, one module each.

An objective builds the model, returns the batch of any step and its loss, and evaluates the model.
"""

from pipeline.core.train.objectives.labels import (
    LabelledTokens,
    LabelObjective,
    evaluate_labels,
    predict_labels,
)
from pipeline.core.train.objectives.masked_words import MaskedWordObjective
from pipeline.core.train.objectives.objective import (
    EncoderStart,
    LabelledTexts,
    Labels,
    Metrics,
    Objective,
    ScoreFunction,
    evaluation_mode,
    watched_outputs,
)

__all__ = [
    "EncoderStart",
    "LabelObjective",
    "LabelledTexts",
    "LabelledTokens",
    "Labels",
    "MaskedWordObjective",
    "Metrics",
    "Objective",
    "ScoreFunction",
    "evaluate_labels",
    "evaluation_mode",
    "predict_labels",
    "watched_outputs",
]
