"""What a trial of a search is, and what listens to it; known to Ray Tune and to those who ask it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.base.config import SearchRange

# Values by key, as {"finetune.epochs": 3}.
Values = Mapping[str, object]


@dataclass(frozen=True)
class FoldScore:
    """Hold the score of a fold, or why there is none."""

    score: float | None
    fault: str = ""


class FoldTraining(Protocol):
    """Describe what trains with some values on all folds but one, and scores the one."""

    def __call__(self, values: Values, fold: int) -> FoldScore:
        """Return the score of a fold; equal calls are trained once."""


class TrialListener(Protocol):
    """Hear of the trials while they run."""

    def scored(self, values: Values, scores: Sequence[float]) -> None:
        """Hear of the scores of a trial so far, after each fold."""

    def ended(self, values: Values) -> None:
        """Hear that a trial has all of its folds, or was stopped."""


@dataclass(frozen=True)
class SearchPlan:
    """Set what is searched, and with what.

    `first` holds the values of the first trial, `whole` the keys of whole numbers. `cores` and `gpus` are
    those of one trial, `at_once` trials run side by side, for so many `seconds` in one go. Ray Tune writes
    what it keeps of a search under `name` in the folder `storage`.
    """

    name: str
    storage: str
    ranges: Mapping[str, SearchRange]
    first: Values
    whole: frozenset[str]
    trials: int
    folds: int
    at_once: int
    seconds: float
    cores: int
    gpus: int
    seed: int
