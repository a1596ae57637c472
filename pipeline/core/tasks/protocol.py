"""What training, compression, evaluation and comparison need of a task.

Shapes: N texts, A answers, L labels.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pipeline.base.config import EncoderConfig, EvaluateConfig, FinetuneConfig, GateConfig, RecoveryConfig
from pipeline.base.config.table_section import RatingRule
from pipeline.base.documents import EvaluationReport, ModelSettings, PublishedScores, SliceDifference
from pipeline.base.documents.evaluation import TaskScores
from pipeline.base.records import TextRecord
from pipeline.base.tasks import TaskName
from pipeline.core.evaluate.metrics import Tallied

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
    long_texts: str = "head"
    answer_tokens: int = 0


@dataclass(frozen=True)
class KnownTexts:
    """Hold texts with their answers, and the share of them that shall be uncertain."""

    texts: Sequence[str]
    answers: Sequence[str]
    share: float

    @classmethod
    def of(cls, records: Sequence[TextRecord], share: float) -> "KnownTexts":
        """Return the texts of records."""
        return cls([one.text for one in records], [one.label for one in records], share)


@dataclass(frozen=True)
class AnswerTable:
    """Number the answers that occur; `items` is None where an answer is one of the labels."""

    names: tuple[str, ...]
    items: Tallied | None = None

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


@dataclass(frozen=True)
class BaselineTexts:
    """Hold what baselines learn from and are asked; `frozen` embeds texts, before any fine-tuning.

    `asked_answers` are the true ones, for tasks that measure how likely they are, and `predictor` is the
    candidate, whose tokens they count.
    """

    texts: Sequence[str]
    answers: Sequence[str]
    asked: Sequence[str]
    labels: Sequence[str]
    cfg: EvaluateConfig
    frozen: "Callable[[Sequence[str]], NDArray[np.float64]] | None"
    asked_answers: Sequence[str] = ()
    predictor: Any = None

    def frozen_rows(self, most: int) -> list[int]:
        """Return the rows that a frozen encoder learns from, at equal distances: texts lie by source.

        To embed all of them would take longer than all other baselines together.
        """
        texts = len(self.texts)
        return [number * texts // min(most, texts) for number in range(min(most, texts))]


class Distillable(Protocol):
    """Describe what a pruned variant needs to learn from its teacher."""

    @property
    def truth_column(self) -> str:
        """Return the name of the column of tokenized texts that holds `truth`."""

    def truth(self, answers: Sequence[str], labels: Sequence[str]) -> "NDArray[np.int64]":
        """Return the targets of answers: N label indices, or NL zeros and ones."""

    def recovery(
        self,
        student: Any,
        teacher_NL: "NDArray[np.float64]",
        texts: Any,
        cfg: RecoveryConfig,
        *,
        seed: int,
    ) -> "Objective":
        """Return the objective that recovers a pruned student; `texts` are those of train and valid."""

    def loss(self, logits: Any, targets: Any) -> Any:
        """Return the summed loss by which the importance of a model's parts is measured."""


class Task(Protocol):
    """Describe a task."""

    @property
    def name(self) -> TaskName:
        """Return its name in params.yaml."""

    @property
    def figures(self) -> OwnFigures | None:
        """Return the figures that only this task has, None where it has none."""

    @property
    def distillable(self) -> Distillable | None:
        """Return how a pruned variant learns from its teacher, None where none is made."""

    @property
    def has_behaviour(self) -> bool:
        """Return whether abilities and an attack by typos can be measured: places move with every typo."""

    def require_start(
        self, config: Mapping[str, Any], document: str, answers: Iterable[str], cfg: EncoderConfig
    ) -> None:
        """Raise, before any training, where an encoder with this config and tokenizer cannot do the task."""

    def tokens(
        self, tokenizer: Any, records: Sequence[TextRecord], settings: ModelSettings
    ) -> list[list[int]]:
        """Return the tokens that a model of the task reads of labelled texts."""

    def outcomes(self, predictor: Any, records: Sequence[TextRecord], answers: Sequence[str]) -> list[str]:
        """Return what is numbered and compared of a model's answers for records."""

    def classifier(self, encoder: Any, labels: int) -> Any:
        """Return a classifier on this encoder, without weights of its own yet."""

    def encoded(
        self,
        tokenizer: Any,
        texts: Sequence[str],
        rows: Sequence[TruthRow],
        training: Training,
    ) -> Mapping[str, Any]:
        """Return the columns of tokens and training targets of some texts, by name."""

    def objective(self, train: Any, valid: Any, start: "EncoderStart", training: Training) -> "TaskObjective":
        """Return the objective that trains a new head on tokenized texts with their targets."""

    def calibrated(self, predictor: Any, known: KnownTexts, settings: ModelSettings) -> ModelSettings:
        """Fit what turns logits into answers; the share with the least confidence is uncertain."""

    def table(self, labels: Sequence[str], *columns: Sequence[str]) -> AnswerTable:
        """Number the answers of these columns."""

    def baselines(self, given: BaselineTexts) -> dict[str, list[str]]:
        """Predict the test texts with baselines that are fitted on training texts and their answers."""

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
