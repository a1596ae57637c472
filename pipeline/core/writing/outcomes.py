"""Outcomes: what a model writes about a text, and how likely it finds the reference, as one string.

The string takes the place that a label has elsewhere, so that texts are numbered, paired and resampled alike.
Legend: A answers, N texts, G groups.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.base.tasks.scores import LOG_LIKELIHOOD, ScoreKey
from pipeline.core.evaluate import metrics


class Outcome(NamedTuple):
    """Hold what was written, the log-likelihood of the reference in nats, and the number of its tokens."""

    written: str
    log_likelihood: float
    tokens: int


def dump_outcome(outcome: Outcome) -> str:
    """Return the string of an outcome."""
    return json.dumps(outcome._asdict(), ensure_ascii=False)


def load_outcome(text: str) -> Outcome | None:
    """Return the outcome of a string, None for a reference, which is a text of its own."""
    try:
        content = json.loads(text)
    except ValueError:
        return None
    if not isinstance(content, dict) or content.keys() != set(Outcome._fields):
        return None
    return Outcome(str(content["written"]), float(content["log_likelihood"]), int(content["tokens"]))


@dataclass(frozen=True)
class WrittenAnswers:
    """Hold A answers, of which some are outcomes and the others references; the one column is their score."""

    answers: tuple[str, ...]
    score: ScoreKey = LOG_LIKELIHOOD
    is_share: bool = False

    @cached_property
    def outcomes(self) -> tuple[Outcome | None, ...]:
        """Return the outcome of each answer, None of a reference."""
        return tuple(map(load_outcome, self.answers))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Return what each answer says."""
        pairs = zip(self.outcomes, self.answers, strict=True)
        return tuple(answer if outcome is None else outcome.written for outcome, answer in pairs)

    def support(self, truth_R: metrics.Counts) -> metrics.Counts:
        """Return how many texts there are."""
        return np.array([len(truth_R)], dtype=np.int64)

    def are_equal(self, one_N: metrics.Counts, other_N: metrics.Counts) -> NDArray[np.bool_]:
        """Return of which texts two answers say the same; to a text without a reference nothing is equal."""
        return np.asarray(self._kinds_A[one_N] == self._kinds_A[other_N])

    def tally_by_group(
        self, truth_N: metrics.Counts, predicted_N: metrics.Counts, group_N: metrics.Counts, *, groups: int
    ) -> metrics.Values:
        """Return the log-likelihood and the tokens of each group; Gx2x1."""
        assert len(truth_N) == len(predicted_N)
        tallies_G21 = np.zeros((groups, 2, 1))
        np.add.at(tallies_G21[:, :, 0], group_N, self.sums_A2[predicted_N])
        return tallies_G21

    def ratios(self, tallies: metrics.Array) -> metrics.Values:
        """Return the log-likelihood of a token."""
        return metrics.ratio(tallies[..., 0, :], tallies[..., 1, :])

    @cached_property
    def sums_A2(self) -> metrics.Values:
        """Return the log-likelihood and the tokens of each answer, zeros of a reference."""
        pairs = [(one.log_likelihood, one.tokens) if one else (0.0, 0) for one in self.outcomes]
        return np.array(pairs, dtype=np.float64).reshape(len(pairs), 2)

    @cached_property
    def _kinds_A(self) -> metrics.Counts:
        """Return a number for each answer, equal where answers say the same."""
        numbers: dict[str | None, int] = {}
        pairs = zip(self.names, self.answers, strict=True)
        keys = (name if answer else None for name, answer in pairs)
        return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def paired_texts(
    items: WrittenAnswers, truth: Sequence[int], predicted: Sequence[int]
) -> list[tuple[str, str]]:
    """Return the reference of each text beside what was written."""
    return [(items.names[one], items.names[other]) for one, other in zip(truth, predicted, strict=True)]
