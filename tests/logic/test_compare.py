"""Candidate against champion, in pairs."""

import numpy as np
import pytest

from pipeline.config import GateConfig
from pipeline.evaluate.compare import Comparison, Pair, compare


def gate(**changes: float) -> GateConfig:
    return GateConfig.model_validate(
        {"min_macro_f1": 0.7, "baseline_margin": 0.0, "champion_margin": 0.005, "confidence": 0.95, "resamples": 400, **changes}
    )


def pair(texts: int, *, candidate: float, champion: float, seed: int = 3) -> Pair:
    random = np.random.default_rng(seed)
    truth = random.integers(3, size=texts)
    hard = random.random(texts)  # the same texts are hard for both
    answers = (np.where(hard < share, truth, (truth + 1) % 3).tolist() for share in (candidate, champion))
    return Pair(truth.tolist(), *answers, [f"review {number // 2}" for number in range(texts)])


def compared(given: Pair, seed: int = 20) -> Comparison:
    return compare(given, champion="R1", labels=3, gate=gate(), seed=seed)


def test_equal_answers_differ_by_nothing_in_every_resample() -> None:
    found = compared(pair(300, candidate=0.8, champion=0.8))
    assert (found.difference, found.low, found.high, found.texts) == (0.0, 0.0, 0.0, 300)


def test_a_gain_lies_between_its_bounds_and_above_zero() -> None:
    found = compared(pair(2000, candidate=0.82, champion=0.78))
    assert 0 < found.low < found.difference < found.high
    assert found.difference == pytest.approx(0.04, abs=0.01)


def test_changing_sides_changes_the_sign() -> None:
    there = compared(pair(500, candidate=0.85, champion=0.75))
    back = compared(pair(500, candidate=0.75, champion=0.85))
    assert back.difference == pytest.approx(-there.difference)
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low))


def test_equal_seeds_give_equal_bounds() -> None:
    given = pair(200, candidate=0.8, champion=0.75)
    assert compared(given) == compared(given)
    assert compared(given) != compared(given, seed=21)


def test_pairs_see_a_gain_that_two_separate_intervals_would_miss() -> None:
    from pipeline.evaluate import intervals, metrics

    given = pair(1000, candidate=0.785, champion=0.77)
    mine = metrics.confusion_by_group(given.truth, given.candidate, given.groups, labels=3)
    low, high = intervals.intervals(mine, resamples=400, confidence=0.9, seed=1)["macro_f1"]

    assert compared(given).low > 0
    assert low < compared(given).champion_macro_f1 < high
