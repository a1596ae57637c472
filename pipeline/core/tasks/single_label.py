"""Single label: a text has one of the labels, which are in no order.

Shapes: N texts, L labels.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import EvaluateConfig, FinetuneConfig, RecoveryConfig
from pipeline.base.documents import EvaluationReport, ModelSettings, PublishedScores
from pipeline.base.documents.evaluation import TaskScores
from pipeline.base.tasks import SINGLE_LABEL, TaskName
from pipeline.core.tasks.protocol import (
    AnswerTable,
    BaselineTexts,
    Distillable,
    KnownTexts,
    Training,
    TruthRow,
)
from pipeline.core.tasks.text_task import TextTask

if TYPE_CHECKING:
    from pipeline.core.evaluate.report import LabelledPredictions, RobustnessReports, ScoredTexts
    from pipeline.core.train.objectives import EncoderStart, LabelObjective
    from pipeline.core.train.objectives.labels import LossOptions
    from pipeline.core.train.objectives.teacher import DistillationObjective


class SingleLabel(TextTask):
    """Train on labels, or on the probability of each label that single ratings give."""

    name: TaskName = SINGLE_LABEL
    truth_column = "label"
    # What its report holds beside that of every task, where there are no figures of its own.
    own: ClassVar[TaskScores] = {}

    @property
    def distillable(self) -> Distillable:
        """Return itself."""
        return self

    def truth(self, answers: Sequence[str], labels: Sequence[str]) -> NDArray[np.int64]:
        """Return the index of each label."""
        return np.array([labels.index(answer) for answer in answers], dtype=np.int64)

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
        kind = SoftLabelObjective if training.rules else LabelObjective
        return kind(
            start=start,
            train=train,
            valid=valid,
            labels=len(training.labels),
            batch_size=cfg.batch_size,
            class_weights=cfg.class_weights,
            score=score,
            seed=training.seed,
            options=loss_options(training.cfg),
        )

    def recovery(
        self, student: Any, teacher_NL: NDArray[np.float64], texts: Any, cfg: RecoveryConfig, *, seed: int
    ) -> "DistillationObjective":
        """Return the objective that learns from the teacher's distribution over the labels."""
        from pipeline.core.evaluate.metrics import score
        from pipeline.core.train.objectives.teacher import DistillationObjective, teacher_logits

        train, valid = texts
        return DistillationObjective(
            student=student,
            teacher_NL=teacher_logits(teacher_NL),
            train=train,
            valid=valid,
            batch_size=cfg.batch_size,
            temperature=cfg.temperature,
            label_weight=cfg.label_weight,
            score=score,
            seed=seed,
        )

    def loss(self, logits: Any, targets: Any) -> Any:
        """Return the summed cross-entropy."""
        from pipeline.core.train.objectives.labels import summed_cross_entropy

        return summed_cross_entropy(logits, targets)

    def calibrated(self, predictor: Any, known: KnownTexts, settings: ModelSettings) -> ModelSettings:
        """Fit the temperature, and the probability below which a prediction is uncertain."""
        from pipeline.core.evaluate.calibration import fit_temperature
        from pipeline.core.model.decoding import softmax

        logits_NL = predictor.logits(known.texts)
        temperature = fit_temperature(logits_NL, self.truth(known.answers, settings["labels"]))
        confidence_N = softmax(logits_NL / temperature).max(axis=1)
        return {
            **settings,
            "temperature": temperature,
            "uncertain": float(np.quantile(confidence_N, known.share)),
        }

    def table(self, labels: Sequence[str], *columns: Sequence[str]) -> AnswerTable:
        """Number the labels, and after them others that occur."""
        return AnswerTable(tuple(dict.fromkeys([*labels, *(one for column in columns for one in column)])))

    def baselines(self, given: BaselineTexts) -> dict[str, list[str]]:
        """Predict the most probable label by TF-IDF, a lexicon and the hidden states, as is asked for."""
        from pipeline.core.evaluate.baselines import predict_baselines, predict_frozen_encoder

        truth = self.truth(given.answers, given.labels).tolist()
        predicted = predict_baselines(given.texts, truth, given.asked, given.cfg)
        if given.frozen is not None and (cfg := given.cfg.frozen_encoder) is not None:
            rows = given.frozen_rows(cfg.max_texts)
            hidden, asked = given.frozen([given.texts[row] for row in rows]), given.frozen(given.asked)
            learnt = [truth[row] for row in rows]
            predicted["frozen_encoder"] = predict_frozen_encoder(hidden, learnt, asked, cfg)
        return {name: [given.labels[number] for number in numbers] for name, numbers in predicted.items()}

    def report(
        self,
        test: "LabelledPredictions",
        *,
        baselines: Mapping[str, Sequence[int]],
        robustness: "RobustnessReports",
        cfg: EvaluateConfig,
        seed: int,
        reserved: int,
    ) -> EvaluationReport:
        """Build the report on confusion counts."""
        from pipeline.core.evaluate.report import evaluation_report, report_sampling

        own = self.figures.measure(test, report_sampling(cfg, seed)) if self.figures else self.own
        return evaluation_report(
            test,
            baselines=baselines,
            robustness=robustness,
            cfg=cfg,
            seed=seed,
            reserved=reserved,
            own=own,
        )

    def published(self, reserve: "ScoredTexts", cfg: EvaluateConfig, seed: int) -> PublishedScores | None:
        """Measure on confusion counts."""
        from pipeline.core.evaluate.report import published_scores

        return published_scores(reserve, cfg, seed)


def loss_options(cfg: FinetuneConfig) -> "LossOptions":
    """Return what is added to the loss of labels."""
    from pipeline.core.train.objectives.labels import LossOptions

    return LossOptions(cfg.label_smoothing, cfg.r_drop)


def with_ratings(
    targets_NL: NDArray[np.float32], rows: Sequence[TruthRow], training: Training
) -> NDArray[np.float32]:
    """Put the probabilities that two ratings or more give in the place of a text's targets.

    A label that the ratings do not give was corrected by a person, and stays.
    """
    from pipeline.core.train.soft_targets import label_probabilities

    for number, row in enumerate(rows):
        ratings = [float(rating) for rating in row.raters.split()]
        rule = training.rules.get(row.source)
        if rule and len(ratings) >= 2 and training.labels[rule.label(fmean(ratings))] == row.label:
            targets_NL[number] = label_probabilities(ratings, rule)
    return targets_NL
