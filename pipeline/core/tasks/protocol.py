"""What training, evaluation and comparison need of a task.

Shapes: N texts, L labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pipeline.base.config import FinetuneConfig, GateConfig
from pipeline.base.config.table_section import RatingRule
from pipeline.base.documents import SliceDifference
from pipeline.base.documents.evaluation import TaskScores
from pipeline.base.tasks import TaskName

if TYPE_CHECKING:
    from pipeline.core.evaluate.bootstrap import BootstrapConfig
    from pipeline.core.evaluate.paired_bootstrap import PairedPredictions
    from pipeline.core.evaluate.report import ScoredTexts
    from pipeline.core.train.objectives import EncoderStart
    from pipeline.core.train.objectives.objective import LengthBucketed


class TruthRow(NamedTuple):
    """Hold what a record says of the truth about its text."""

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

    def targets(self, rows: Sequence[TruthRow], training: Training) -> Mapping[str, Any]:
        """Return the columns of training targets of some texts, by name."""

    def objective(
        self, train: Any, valid: Any, start: "EncoderStart", training: Training
    ) -> "LengthBucketed":
        """Return the objective that trains a new head on tokenized texts with their targets."""
