"""Labels on a scale: trained on soft targets, and evaluated by the distance from the truth as well."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from pipeline.core.train.objectives.labels import predict_labels
from pipeline.core.train.objectives.objective import Labels, Metrics
from pipeline.core.train.objectives.soft_labels import SoftLabelObjective


@dataclass
class OrdinalObjective(SoftLabelObjective):
    """Train on the target of each label; `scale_scores` gets truth, prediction and the number of labels."""

    scale_scores: Callable[[Labels, Labels, int], Metrics]

    def evaluate(self, model: nn.Module) -> Metrics:
        """Compute score, accuracy and the metrics of the scale on the validation texts."""
        predicted, truth = predict_labels(model, self.valid.tokens), self.valid.labels
        return {
            "accuracy": float((predicted == truth).mean()),
            **self.scale_scores(truth, predicted, self.labels),
            "score": self.score(truth, predicted, self.labels),
        }
