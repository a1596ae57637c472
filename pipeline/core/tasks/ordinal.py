"""Ordinal: a text has one of the labels, which are steps of a scale from its lower end up.

The head has a logit for each label, and its target is soft: a label gets the less, the farther it is from the
true one (soft ordinal vectors; Diaz and Marathe, 2019). So everything behind the logits is as for one label.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.base.config import GateConfig
from pipeline.base.documents import SliceDifference
from pipeline.base.documents.evaluation import TaskScores
from pipeline.base.seeds import seed_for
from pipeline.base.tasks import ORDINAL, TaskName
from pipeline.core.tasks.protocol import OwnFigures, Training, TruthRow
from pipeline.core.tasks.single_label import SingleLabel, loss_options, with_ratings

if TYPE_CHECKING:
    from pipeline.core.evaluate.bootstrap import BootstrapConfig
    from pipeline.core.evaluate.paired_bootstrap import PairedPredictions
    from pipeline.core.evaluate.report import ScoredTexts
    from pipeline.core.train.objectives import EncoderStart, LabelObjective


class ScaleFigures:
    """Measure the distance from the truth."""

    def measure(self, test: "ScoredTexts", sampling: "BootstrapConfig") -> TaskScores:
        """Measure mean absolute error and quadratic weighted kappa with their intervals."""
        from pipeline.core.evaluate.metrics import confusion_by_group
        from pipeline.core.tasks.scale_metrics import scale_report

        counts_GLL = confusion_by_group(test.truth, test.predicted, test.groups, labels=len(test.labels))
        return {"task": ORDINAL, "ordinal": scale_report(counts_GLL, sampling)}

    def compare(
        self, pair: "PairedPredictions", *, champion: str, gate: GateConfig, seed: int
    ) -> list[SliceDifference]:
        """Compare the mean absolute error of both models, its sign turned so that a loss is a drop."""
        from pipeline.core.evaluate.regressions import HeldAgainst, regression_rows
        from pipeline.core.tasks.scale_metrics import paired_error

        metric = paired_error(pair, resamples=gate.resamples, seed=seed_for(seed, "gate", "scale"))
        return regression_rows([HeldAgainst(champion, metric)], margin=gate.ordinal.error_margin, gate=gate)


class Ordinal(SingleLabel):
    """Train on soft ordinal targets; measure the distance from the truth beside macro F1."""

    name: TaskName = ORDINAL
    figures: OwnFigures | None = ScaleFigures()

    def targets(self, rows: Sequence[TruthRow], training: Training) -> Mapping[str, Any]:
        """Return the index of each label, and the target of each label by its distance from it."""
        from pipeline.core.train.soft_targets import ordinal_targets

        indices = [training.labels.index(row.label) for row in rows]
        targets_LL = ordinal_targets(len(training.labels), training.cfg.ordinal.sharpness)
        return {"label": indices, "probabilities": with_ratings(targets_LL[indices], rows, training)}

    def objective(
        self, train: Any, valid: Any, start: "EncoderStart", training: Training
    ) -> "LabelObjective":
        """Return the objective on soft ordinal targets."""
        from pipeline.core.evaluate.metrics import score
        from pipeline.core.tasks.scale_metrics import scale_scores
        from pipeline.core.train.objectives.ordinal import OrdinalObjective

        return OrdinalObjective(
            start=start,
            train=train,
            valid=valid,
            labels=len(training.labels),
            batch_size=training.cfg.batch_size,
            class_weights=training.cfg.class_weights,
            score=score,
            scale_scores=scale_scores,
            seed=training.seed,
            options=loss_options(training.cfg),
        )
