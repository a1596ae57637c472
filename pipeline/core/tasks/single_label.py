"""Single label: a text has one of the labels, which are in no order.

Shapes: N texts, L labels.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.base.tasks import SINGLE_LABEL, TaskName
from pipeline.core.tasks.protocol import OwnFigures, Training, TruthRow

if TYPE_CHECKING:
    from pipeline.core.train.objectives import EncoderStart, LabelObjective


class SingleLabel:
    """Train on labels, or on the probability of each label that single ratings give."""

    name: TaskName = SINGLE_LABEL
    # The report and the comparison of every task are those of this one.
    figures: OwnFigures | None = None

    def targets(self, rows: Sequence[TruthRow], training: Training) -> Mapping[str, Any]:
        """Return the index of each label, and where there are rating rules the probability of each label."""
        indices = [training.labels.index(row.label) for row in rows]
        if not training.rules:
            return {"label": indices}
        hard_LL = np.eye(len(training.labels), dtype=np.float32)
        return {"label": indices, "probabilities": with_ratings(hard_LL[indices], rows, training)}

    def objective(
        self, train: Any, valid: Any, start: "EncoderStart", training: Training
    ) -> "LabelObjective":
        """Return the objective on labels, or on probabilities where single ratings are asked for."""
        from pipeline.core.evaluate.metrics import score
        from pipeline.core.train.objectives import LabelObjective
        from pipeline.core.train.objectives.soft_labels import SoftLabelObjective

        cfg = training.cfg
        kind = SoftLabelObjective if cfg.targets == "ratings" else LabelObjective
        return kind(
            start=start,
            train=train,
            valid=valid,
            labels=len(training.labels),
            batch_size=cfg.batch_size,
            class_weights=cfg.class_weights,
            score=score,
            seed=training.seed,
        )


def with_ratings(
    targets_NL: NDArray[np.float32], rows: Sequence[TruthRow], training: Training
) -> NDArray[np.float32]:
    """Put the probabilities that two ratings or more give in the place of a text's targets."""
    from pipeline.core.train.rating_targets import label_probabilities

    for number, row in enumerate(rows):
        ratings = [float(rating) for rating in row.raters.split()]
        if len(ratings) >= 2 and row.source in training.rules:
            targets_NL[number] = label_probabilities(ratings, training.rules[row.source])
    return targets_NL
