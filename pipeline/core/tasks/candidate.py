"""A candidate as it is measured: its predictor in its task, under attack, and beside baselines.

Shapes: N texts, L labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import EvaluateConfig
from pipeline.base.documents import AttackReport
from pipeline.base.records import TextRecord
from pipeline.base.seeds import seed_for
from pipeline.base.tasks import answer_form
from pipeline.core.evaluate.attack import AttackedTexts, attack, attack_report
from pipeline.core.evaluate.behaviour import make_cases, measure_abilities
from pipeline.core.evaluate.bootstrap import BootstrapConfig
from pipeline.core.evaluate.report import NOT_MEASURED, LabelledPredictions, RobustnessReports
from pipeline.core.model.predictor import Predictor
from pipeline.core.tasks.protocol import AnswerTable, BaselineTexts, Task


@dataclass(frozen=True)
class Candidate:
    """Hold a predictor and the task that it is measured in."""

    task: Task
    predictor: Predictor

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Predict the probability of each label; NxL."""
        return self.predictor.predict(texts).probabilities

    def answers(self, texts: Sequence[str]) -> list[str]:
        """Return the answers for texts."""
        return list(self.predictor.predict(texts).labels)

    def labels(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the labels of the answers for texts."""
        return [answer_form(self.task.name).labels_of(one) for one in self.answers(texts)]

    def predict(self, test: Sequence[TextRecord]) -> tuple[list[str], NDArray[np.float64]]:
        """Return the answers for texts as they are compared, and the probability of each label."""
        predictions = self.predictor.predict([record.text for record in test])
        return self.task.outcomes(self.predictor, test, predictions.labels), predictions.probabilities

    def table(self, test: Sequence[TextRecord], *columns: Sequence[str]) -> AnswerTable:
        """Number the answers that are true of texts, and those of these columns."""
        return self.task.table(self.predictor.labels, [record.label for record in test], *columns)

    def labelled(
        self,
        test: Sequence[TextRecord],
        table: AnswerTable,
        answers: Sequence[str],
        probabilities_NL: NDArray[np.float64],
    ) -> LabelledPredictions:
        """Return texts with their truth and the candidate's answers, numbered by a table."""
        return LabelledPredictions(
            labels=self.predictor.labels,
            truth=table.numbers([record.label for record in test]),
            predicted=table.numbers(answers),
            probabilities=probabilities_NL,
            groups=[record.group for record in test],
            sources=[record.source for record in test],
            langs=[record.lang for record in test],
            texts=[record.text for record in test],
            temperature=self.predictor.temperature,
            items=table.items,
        )

    def baselines(
        self,
        train: Sequence[TextRecord],
        test: Sequence[TextRecord],
        frozen: Predictor | None,
        cfg: EvaluateConfig,
    ) -> dict[str, list[str]]:
        """Predict the test texts with every baseline, each fitted on the training split.

        `frozen` is the encoder that fine-tuning started from, None without that baseline.
        """
        texts, answers = [record.text for record in train], [record.label for record in train]
        asked, embed = [record.text for record in test], frozen.embed if frozen else None
        given = BaselineTexts(texts, answers, asked, self.predictor.labels, cfg, embed)
        truth = [record.label for record in test]
        return self.task.baselines(replace(given, asked_answers=truth, predictor=self.predictor))

    def robustness(self, test: Sequence[TextRecord], cfg: EvaluateConfig, seed: int) -> RobustnessReports:
        """Measure abilities, and robustness to typos; not human agreement."""
        if not self.task.has_behaviour:
            return NOT_MEASURED
        cases, labels = make_cases(cfg.behaviour, seed), self.predictor.labels
        several = None if answer_form(self.task.name).one_label else self.labels
        behaviour = measure_abilities(
            cases, self.probabilities, labels, confidence=cfg.confidence, label_sets=several
        )
        return RobustnessReports(behaviour=behaviour, attack=self._attack(test, cfg, seed), human=None)

    def _attack(self, test: Sequence[TextRecord], cfg: EvaluateConfig, seed: int) -> AttackReport:
        texts, truth = [record.text for record in test], [record.label for record in test]
        found = attack(texts, truth, self.answers, cfg=cfg.attack, seed=seed)
        columns, labels = (found.truth, found.before, found.after), self.predictor.labels
        table = self.task.table(labels, *columns)
        numbered = AttackedTexts(found.rows, *map(table.numbers, columns))
        sampling = BootstrapConfig(cfg.resamples, cfg.confidence, seed_for(seed, "evaluate", "intervals"))
        return attack_report(numbered, labels, cfg=cfg.attack, sampling=sampling, items=table.items)
