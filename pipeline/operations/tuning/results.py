"""What came of the trials of a search, read from the scores of their folds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.base.digests import json_digest
from pipeline.core.search.folds import MeanOverFolds, mean_over_folds
from pipeline.core.search.trials import Values
from pipeline.io import files

SCORES = "scores"


@dataclass(frozen=True)
class Trial:
    """Hold a combination of values, its score of each fold in their order, and their mean.

    `gain` is the mean of what it has more than the present values, fold by fold, over the folds that both
    have; None where they have none, and for the present values themselves. A trial with fewer than all folds
    was stopped, or is not finished, or has a `fault`.
    """

    values: Values
    scores: tuple[float, ...]
    mean: MeanOverFolds | None
    gain: MeanOverFolds | None
    fault: str
    is_present: bool


@dataclass
class _Scores:
    values: Values
    by_fold: dict[int, float] = field(default_factory=dict)
    fault: str = ""


def remove_damaged(folder: Path) -> bool:
    """Remove scores that cannot be read, so that their folds are trained again; return whether any was."""
    damaged = [path for path in (folder / SCORES).glob("*.json") if not _is_whole(path)]
    for path in damaged:
        path.unlink()
    return bool(damaged)


def _is_whole(path: Path) -> bool:
    try:
        document = files.read_json(path)
        score, fault = document["score"], document["fault"]
        is_scored = isinstance(score, float) or (score is None and isinstance(fault, str))
        return is_scored and isinstance(document["values"], dict) and isinstance(document["fold"], int)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def read_trials(folder: Path, first: Values, *, folds: int, confidence: float) -> list[Trial]:
    """Read all trials whose folds lie in a folder: those with the most folds first, of these the best.

    `first` holds the present values, which come before others that are as good.
    """
    found: dict[str, _Scores] = {}
    for path in sorted((folder / SCORES).glob("*.json")):
        document = files.read_json(path)
        trial = found.setdefault(json_digest(document["values"]), _Scores(document["values"]))
        if document["score"] is None:
            trial.fault = document["fault"]
        else:
            trial.by_fold[document["fold"]] = document["score"]
    present = found.get(json_digest(dict(first)), _Scores(first))
    trials = [_trial(one, present, folds=folds, confidence=confidence) for one in found.values()]
    return sorted(
        trials,
        key=lambda trial: (len(trial.scores), trial.mean.mean if trial.mean else 0.0, trial.is_present),
        reverse=True,
    )


def _trial(one: _Scores, present: _Scores, *, folds: int, confidence: float) -> Trial:
    def mean(scores: Sequence[float]) -> MeanOverFolds | None:
        return mean_over_folds(scores, folds=folds, confidence=confidence) if scores else None

    both = sorted(one.by_fold.keys() & present.by_fold.keys())
    gains = [one.by_fold[fold] - present.by_fold[fold] for fold in both]
    scores = tuple(one.by_fold[fold] for fold in sorted(one.by_fold))
    is_present = one is present
    gain = None if is_present else mean(gains)
    return Trial(one.values, scores, mean(scores), gain, one.fault, is_present)
