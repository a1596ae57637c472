"""What training, compression, evaluation and comparison need of a task.

Shapes: N texts, A answers, L labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pipeline.base.config import EvaluateConfig, FinetuneConfig, GateConfig, RecoveryConfig
from pipeline.base.config.table_section import RatingRule
from pipeline.base.documents import EvaluationReport, ModelSettings, PublishedScores, SliceDifference
from pipeline.base.documents.evaluation import TaskScores
from pipeline.base.tasks import TaskName
from pipeline.core.evaluate.metrics import AnswerItems

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.core.evaluate.bootstrap import BootstrapConfig
    from pipeline.core.evaluate.paired_bootstrap import PairedPredictions
    from pipeline.core.evaluate.report import LabelledPredictions, RobustnessReports, ScoredTexts
    from pipeline.core.train.batches import LengthBucketSampler
    from pipeline.core.train.objectives import EncoderStart, Objective

    class TaskObjective(Objective, Protocol):
        """Describe an objective whose batches are drawn from buckets of length."""

        @property
        def sampler(self) -> LengthBucketSampler:
            """Return the sampler of the texts of each step."""


class TruthRow(NamedTuple):
    """Hold what a record says of the truth about its text; `label` is the answer."""

    label: str
    source: str
    raters: str = ""


@dataclass(frozen=True)
class Training:
    """Hold what targets and objective depend on; `rules` turn single ratings into labels, by source."""

    labels: Sequence[str]
    rules: Mapping[str, RatingRule]
    cfg: FinetuneConfig
    seed: int


@dataclass(frozen=True)
class AnswerTable:
    """Number the answers that occur; `items` is None where an answer is one of the labels."""

    names: tuple[str, ...]
    items: AnswerItems | None = None

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}

    def numbers(self, answers: Sequence[str]) -> list[int]:
        """Return the number of each answer."""
        return [self._numbers[answer] for answer in answers]


class OwnFigures(Protocol):
    """Describe the figures that only one task has."""

    def measure(self, test: "ScoredTexts", sampling: "BootstrapConfig") -> TaskScores:
        """Measure what the evaluation report of this task holds beside that of every task."""

    def compare(
        self, pair: "PairedPredictions", *, champion: str, gate: GateConfig, seed: int
    ) -> list[SliceDifference]:
        """Compare the figures that only this task has, candidate against champion; higher is better."""


class Task(Protocol):
    """Describe a task."""

    @property
    def name(self) -> TaskName:
        """Return its name in params.yaml."""

    @property
    def figures(self) -> OwnFigures | None:
        """Return the figures that only this task has, None where it has none."""

    @property
    def truth_column(self) -> str:
        """Return the name of the column of tokenized texts that holds `truth`."""

    def truth(self, answers: Sequence[str], labels: Sequence[str]) -> "NDArray[np.int64]":
        """Return the targets of answers: N label indices, or NL zeros and ones."""

    def targets(self, rows: Sequence[TruthRow], training: Training) -> Mapping[str, Any]:
        """Return the columns of training targets of some texts, by name."""

    def objective(self, train: Any, valid: Any, start: "EncoderStart", training: Training) -> "TaskObjective":
        """Return the objective that trains a new head on tokenized texts with their targets."""

    def recovery(
        self, student: Any, teacher_NL: "NDArray[np.float64]", texts: Any, cfg: RecoveryConfig, *, seed: int
    ) -> "Objective":
        """Return the objective that recovers a pruned student; `texts` are those of train and valid."""

    def loss(self, logits: Any, targets: Any) -> Any:
        """Return the summed loss by which the importance of a model's parts is measured."""

    def calibrated(
        self, logits_NL: "NDArray[np.float64]", answers: Sequence[str], settings: ModelSettings, share: float
    ) -> ModelSettings:
        """Fit what turns logits into answers; the share with the least confidence is uncertain."""

    def table(self, labels: Sequence[str], *columns: Sequence[str]) -> AnswerTable:
        """Number the answers of these columns."""

    def baselines(
        self,
        train: tuple[Sequence[str], Sequence[str]],
        test: Sequence[str],
        labels: Sequence[str],
        cfg: EvaluateConfig,
    ) -> dict[str, list[str]]:
        """Predict the test texts with baselines that are fitted on training texts and their answers."""

    def frozen_baseline(
        self,
        train: tuple["NDArray[np.float64]", Sequence[str]],
        test_ND: "NDArray[np.float64]",
        labels: Sequence[str],
        cfg: EvaluateConfig,
    ) -> list[str]:
        """Predict the test texts with a linear model on the frozen encoder's hidden states."""

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
        """Build the document of `evaluation.json`."""

    def published(self, reserve: "ScoredTexts", cfg: EvaluateConfig, seed: int) -> PublishedScores | None:
        """Measure a promoted candidate on the reserve, None where it is empty."""
