"""Multi-label: a text has any subset of the labels, each by itself, with a threshold of its own.

Shapes: N texts, L labels.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import EvaluateConfig, RecoveryConfig
from pipeline.base.documents import EvaluationReport, ModelSettings, PublishedScores
from pipeline.base.tasks import MULTI_LABEL, TaskName, answer_form
from pipeline.core.evaluate.metrics import AnswerItems
from pipeline.core.model.decoding import AnyOf, joined
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
    from pipeline.core.train.objectives import EncoderStart
    from pipeline.core.train.objectives.several_labels import (
        SeveralLabelDistillation,
        SeveralLabelObjective,
    )

LABELS_OF = answer_form(MULTI_LABEL).labels_of
Table = NDArray[np.float64]


class MultiLabel(TextTask):
    """Train a sigmoid for each label; set its threshold on texts that the training did not see."""

    name: TaskName = MULTI_LABEL
    truth_column = "label_set"

    @property
    def distillable(self) -> Distillable:
        """Return itself."""
        return self

    def truth(self, answers: Sequence[str], labels: Sequence[str]) -> NDArray[np.int64]:
        """Return 1 for each label that an answer holds; NxL."""
        place = {label: number for number, label in enumerate(labels)}
        truth_NL = np.zeros((len(answers), len(labels)), dtype=np.int64)
        for row, answer in enumerate(answers):
            truth_NL[row, [place[label] for label in LABELS_OF(answer)]] = 1
        return truth_NL

    def targets(self, rows: Sequence[TruthRow], training: Training) -> Mapping[str, Any]:
        """Return 1 for each label that a text has."""
        return {self.truth_column: self.truth([row.label for row in rows], training.labels).astype(np.int8)}

    def objective(
        self, train: Any, valid: Any, start: "EncoderStart", training: Training
    ) -> "SeveralLabelObjective":
        """Return the objective with a binary cross-entropy for each label."""
        from pipeline.core.tasks.item_report import set_macro_f1
        from pipeline.core.train.objectives.several_labels import SeveralLabelObjective

        return SeveralLabelObjective(
            start=start,
            train=train,
            valid=valid,
            batch_size=training.cfg.batch_size,
            score=set_macro_f1,
            seed=training.seed,
        )

    def recovery(
        self, student: Any, teacher_NL: Table, texts: Any, cfg: RecoveryConfig, *, seed: int
    ) -> "SeveralLabelDistillation":
        """Return the objective that learns from the teacher's probability of each label."""
        from pipeline.core.tasks.item_report import set_macro_f1
        from pipeline.core.train.objectives.several_labels import SeveralLabelDistillation
        from pipeline.core.train.objectives.teacher import teacher_logits

        train, valid = texts
        return SeveralLabelDistillation(
            student=student,
            teacher_NL=teacher_logits(teacher_NL),
            train=train,
            valid=valid,
            batch_size=cfg.batch_size,
            temperature=cfg.temperature,
            label_weight=cfg.label_weight,
            score=set_macro_f1,
            seed=seed,
        )

    def loss(self, logits: Any, targets: Any) -> Any:
        """Return the summed binary cross-entropy."""
        from pipeline.core.train.objectives.several_labels import summed_set_loss

        return summed_set_loss(logits, targets)

    def calibrated(self, predictor: Any, known: KnownTexts, settings: ModelSettings) -> ModelSettings:
        """Fit one temperature, the threshold of each label, and the confidence below which is uncertain."""
        from pipeline.core.tasks.thresholds import best_thresholds, fit_set_temperature

        logits_NL, truth_NL = predictor.logits(known.texts), self.truth(known.answers, settings["labels"])
        temperature = fit_set_temperature(logits_NL, truth_NL)
        fitted: ModelSettings = {**settings, "temperature": temperature}
        probabilities_NL = AnyOf(fitted).probabilities(logits_NL / temperature)
        fitted["thresholds"] = best_thresholds(probabilities_NL, truth_NL)
        fitted["uncertain"] = float(np.quantile(AnyOf(fitted).confidence(probabilities_NL), known.share))
        return fitted

    def table(self, labels: Sequence[str], *columns: Sequence[str]) -> AnswerTable:
        """Number the answers that occur, and hold the labels of each."""
        names = tuple(dict.fromkeys(one for column in columns for one in column))
        place = {label: number for number, label in enumerate(labels)}
        items = tuple(frozenset((place[label], None) for label in LABELS_OF(name)) for name in names)
        return AnswerTable(names, AnswerItems(items, len(labels), names))

    def baselines(self, given: BaselineTexts) -> dict[str, list[str]]:
        """Predict each label by itself; the lexicon knows no labels that do not exclude others."""
        from pipeline.core.evaluate.baselines import predict_frozen_encoder, predict_tfidf

        columns, cfg = self.truth(given.answers, given.labels).T.tolist(), given.cfg
        chosen = {"tfidf": [predict_tfidf(given.texts, one, given.asked, cfg.tfidf) for one in columns]}
        if given.frozen is not None and cfg.frozen_encoder is not None:
            rows = given.frozen_rows(cfg.frozen_encoder.max_texts)
            hidden, asked = given.frozen([given.texts[row] for row in rows]), given.frozen(given.asked)
            chosen["frozen_encoder"] = [
                predict_frozen_encoder(hidden, [one[row] for row in rows], asked, cfg.frozen_encoder)
                for one in columns
            ]
        return {
            name: [joined(row, given.labels) for row in np.array(found, dtype=bool).T]
            for name, found in chosen.items()
        }

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
        """Build the report on tallies of the labels; each decision about a label is calibrated by itself."""
        from pipeline.core.tasks.item_report import item_report, set_calibration

        return item_report(
            test,
            task=self.name,
            baselines=baselines,
            robustness=robustness,
            calibration=set_calibration(test, cfg, seed),
            cfg=cfg,
            seed=seed,
            reserved=reserved,
        )

    def published(self, reserve: "ScoredTexts", cfg: EvaluateConfig, seed: int) -> PublishedScores | None:
        """Measure on tallies of the labels."""
        from pipeline.core.tasks.item_report import published_item_scores

        return published_item_scores(reserve, cfg, seed)
