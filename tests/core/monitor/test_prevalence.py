"""Shares corrected for the model's mistakes: what they are worth is shown by worlds whose truth is known."""

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.core.monitor import prevalence

Array = NDArray[Any]
LABELS = ("negative", "neutral", "positive")
CHANCE = {"resamples": 1000, "confidence": 0.95}
TESTED = (0.35, 0.35, 0.3)  # shares of the labels among the test texts
GOOD = np.array([[0.85, 0.10, 0.05], [0.12, 0.76, 0.12], [0.04, 0.10, 0.86]])
OTHER = np.array([[0.75, 0.20, 0.05], [0.06, 0.88, 0.06], [0.10, 0.15, 0.75]])
WEAK = np.array([[0.60, 0.25, 0.15], [0.25, 0.50, 0.25], [0.15, 0.30, 0.55]])


def judged(rows: Array, texts: int, random: np.random.Generator) -> Array:
    return np.array(
        [
            random.multinomial(count, row)
            for count, row in zip(random.multinomial(texts, TESTED), rows, strict=True)
        ]
    )


def window(rows: Array, truth: tuple[float, ...], texts: int, random: np.random.Generator) -> Array:
    return np.array(
        [
            random.multinomial(count, row)
            for count, row in zip(random.multinomial(texts, truth), rows, strict=True)
        ]
    ).sum(axis=0)


def answers(rows: Array, truth: Array, draw: Array) -> Array:
    return (draw[:, None] > np.cumsum(rows, axis=1)[truth]).sum(axis=1)


def covered(rows: Array, truth: tuple[float, ...], *, texts: int, tested: int) -> list[float]:
    """Give in how many of 500 worlds the interval of each label holds the truth."""
    random, held = np.random.default_rng(20), np.zeros(3)
    for seed in range(500):
        found = prevalence.estimate_prevalence(
            window(rows, truth, texts, random), judged(rows, tested, random), LABELS, **CHANCE, seed=seed
        )
        assert found is not None
        held += [
            found[label]["low"] <= true <= found[label]["high"]
            for label, true in zip(LABELS, truth, strict=True)
        ]
    return list((held / 500).round(3))


def test_a_count_is_set_right_by_hand() -> None:
    # Of negative texts 8 in 10 are seen, of positive ones 9 in 10. 38 guesses of "negative" in 100: 0.8 p + 0.1 (1 - p) = 0.38.
    found = prevalence.estimate_prevalence(
        [38, 62], [[80, 20], [10, 90]], ("negative", "positive"), **CHANCE, seed=1
    )

    assert found is not None
    assert found["negative"]["raw"] == pytest.approx(0.38)
    assert found["negative"]["share"] == pytest.approx(0.4)
    assert found["positive"]["share"] == pytest.approx(0.6)
    assert found["negative"]["low"] == pytest.approx(1 - found["positive"]["high"])
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("rows", "truth", "texts", "tested"),
    [
        (GOOD, (0.5, 0.2, 0.3), 300, 600),
        (GOOD, (0.1, 0.3, 0.6), 1000, 3000),
        (WEAK, (0.2, 0.6, 0.2), 600, 1200),
        (GOOD, (0.03, 0.17, 0.8), 300, 600),
    ],
    ids=["good-few", "good-many", "weak", "near-the-border"],
)
def test_the_interval_covers_the_truth_in_93_to_97_of_100_worlds(
    rows: Array, truth: tuple[float, ...], texts: int, tested: int
) -> None:
    rates = covered(rows, truth, texts=texts, tested=tested)

    assert all(0.93 <= rate <= 0.97 for rate in rates), f"covered in {rates} of 500 worlds, by label"


def test_a_label_that_is_not_there_is_covered_too_and_the_others_beside_it() -> None:
    rates = covered(GOOD, (0.0, 0.4, 0.6), texts=300, tested=600)

    # At the border only one side can miss.
    assert all(0.93 <= rate <= 0.99 for rate in rates), f"covered in {rates} of 500 worlds, by label"


def test_the_raw_share_would_not_have_covered_it() -> None:
    random, truth = np.random.default_rng(3), (0.05, 0.15, 0.8)
    found = prevalence.estimate_prevalence(
        window(GOOD, truth, 20_000, random), judged(GOOD, 3000, random), LABELS, **CHANCE, seed=1
    )

    assert found is not None
    assert found["neutral"]["low"] <= 0.15 <= found["neutral"]["high"] < found["neutral"]["raw"]


@given(st.lists(st.integers(0, 400), min_size=3, max_size=3).filter(any), st.integers(0, 2**32))
def test_shares_are_shares_whatever_is_guessed(guessed: list[int], seed: int) -> None:
    found = prevalence.estimate_prevalence(
        guessed,
        judged(GOOD, 600, np.random.default_rng(seed)),
        LABELS,
        resamples=100,
        confidence=0.95,
        seed=seed,
    )

    assert found is not None
    assert sum(one["share"] for one in found.values()) == pytest.approx(1)
    assert all(
        0 <= one["low"] <= one["share"] <= one["high"] <= 1 and one["low"] < one["high"]
        for one in found.values()
    )
    assert all(
        one["noise"] > 0 and one["raw"] == count / sum(guessed)
        for one, count in zip(found.values(), guessed, strict=True)
    )


def test_the_likeliest_shares_are_found_where_solving_leaves_the_simplex() -> None:
    # All guesses are "neutral", more than even neutral texts alone would bring: only they can be there.
    found = prevalence.estimate_prevalence(
        [0, 100, 0], [[80, 20, 0], [10, 80, 10], [0, 20, 80]], LABELS, **CHANCE, seed=1
    )

    assert found is not None
    assert [round(one["share"], 3) for one in found.values()] == [0, 1, 0]
    assert found["negative"]["high"] > 0.02


def test_noise_falls_with_more_texts_while_the_spread_keeps_the_error_of_the_model() -> None:
    few, many = (
        prevalence.estimate_prevalence([n, n, n], np.rint(GOOD * 100), LABELS, **CHANCE, seed=1)
        for n in (100, 10_000)
    )

    assert few is not None
    assert many is not None
    assert few["neutral"]["noise"] == pytest.approx(10 * many["neutral"]["noise"], rel=0.01)
    assert 0.02 < many["neutral"]["spread"] < few["neutral"]["spread"]


@pytest.mark.parametrize(
    ("confusion", "why"),
    [
        ([[0, 0, 0], [10, 80, 10], [0, 20, 80]], "no test text has the label negative, so"),
        ([[50, 50, 0], [50, 50, 0], [0, 20, 80]], "does not surely tell its labels apart"),
        ([[5, 4, 3], [4, 5, 3], [3, 4, 5]], "does not surely tell its labels apart"),
        ([[0, 0, 0]] * 3, "no test text has the label negative, neutral, positive, so"),
    ],
)
def test_where_the_confusion_cannot_bear_it_the_raw_share_is_told_with_the_reason(
    confusion: list[list[int]], why: str
) -> None:
    found = prevalence.estimate_prevalence([10, 20, 70], confusion, LABELS, **CHANCE, seed=1)

    assert found is not None
    assert [one["share"] for one in found.values()] == [0.1, 0.2, 0.7]
    assert all(
        (one["low"], one["high"], one["corrected"]) == (0, 1, False) and why in one["why"]
        for one in found.values()
    )


def test_a_model_that_was_never_wrong_on_hardly_any_texts_says_hardly_anything() -> None:
    found = prevalence.estimate_prevalence([10, 20, 70], np.eye(3), LABELS, **CHANCE, seed=1)

    assert found is not None
    assert all(one["high"] - one["low"] > 0.7 for one in found.values())


def test_an_empty_window_has_no_shares() -> None:
    assert prevalence.estimate_prevalence([0, 0, 0], np.rint(GOOD * 100), LABELS, **CHANCE, seed=1) is None
    assert (
        prevalence.measure_model_shift([], [], GOOD * 100, OTHER * 100, labels=LABELS, **CHANCE, seed=1)
        is None
    )


def test_equal_seeds_give_equal_intervals_and_others_do_not() -> None:
    first, again, other = (
        prevalence.estimate_prevalence([9, 30, 61], np.rint(GOOD * 100), LABELS, **CHANCE, seed=seed)
        for seed in (1, 1, 2)
    )

    assert first == again != other


def test_a_release_beside_itself_makes_no_difference() -> None:
    guess = [0, 1, 2, 2, 2] * 40
    found = prevalence.measure_model_shift(
        guess, guess, np.rint(GOOD * 100), np.rint(GOOD * 100), labels=LABELS, **CHANCE, seed=1
    )

    assert found is not None
    assert [one["difference"] for one in found.values()] == [0, 0, 0]
    # So many equal answers do not prove that the next ones would be; but hardly anything else is left.
    assert all(-0.02 < one["low"] < 0 < one["high"] < 0.02 and one["shift"] == 0 for one in found.values())


def test_the_shifts_of_all_labels_leave_their_sum() -> None:
    random = np.random.default_rng(4)
    truth, draw = random.integers(3, size=400), random.random(400)
    found = prevalence.measure_model_shift(
        answers(GOOD, truth, draw).tolist(),
        answers(OTHER, truth, draw).tolist(),
        judged(GOOD, 900, random),
        judged(OTHER, 900, random),
        labels=LABELS,
        **CHANCE,
        seed=1,
    )

    assert found is not None
    assert sum(one["difference"] for one in found.values()) == pytest.approx(0)
    assert sum(one["shift"] for one in found.values()) == pytest.approx(0)
    assert all(
        abs(one["shift"]) <= abs(one["difference"]) + 0.01 and one["shift_spread"] < one["spread"]
        for one in found.values()
    )
    assert json.loads(json.dumps(found)) == found


def test_where_a_release_cannot_be_corrected_its_raw_share_is_bridged() -> None:
    found = prevalence.measure_model_shift(
        [0, 1, 2, 2], [0, 0, 1, 2], np.zeros((3, 3)), np.rint(GOOD * 100), labels=LABELS, **CHANCE, seed=1
    )

    assert found is not None
    new = prevalence.estimate_prevalence([2, 1, 1], np.rint(GOOD * 100), LABELS, **CHANCE, seed=1)
    assert new is not None
    assert found["negative"]["difference"] == pytest.approx(new["negative"]["share"] - 0.25)
    assert found["negative"]["shift"] == found["negative"]["difference"]
    assert not found["negative"]["corrected"]


class World:
    """Two releases with errors of their own, judged on one test split; each answers what the other does."""

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random
        truth = random.choice(3, size=1200, p=TESTED)
        self.confusions = [np.zeros((3, 3)), np.zeros((3, 3))]
        for counts, rows in zip(self.confusions, (GOOD, OTHER), strict=True):
            np.add.at(counts, (truth, answers(rows, truth, random.random(1200))), 1)

    def read(self, texts: int) -> list[list[int]]:
        """Let both answer the same texts; half of the time they are wrong about the same ones."""
        truth, mine, own = (
            self.random.choice(3, size=texts, p=(0.2, 0.3, 0.5)),
            self.random.random(texts),
            self.random.random(texts),
        )
        theirs = np.where(self.random.random(texts) < 0.5, mine, own)
        return [answers(rows, truth, draw).tolist() for rows, draw in ((GOOD, mine), (OTHER, theirs))]

    def bridge(self, texts: int, seed: int) -> dict[str, dict[str, Any]]:
        found = prevalence.measure_model_shift(
            *self.read(texts), *self.confusions, labels=LABELS, **CHANCE, seed=seed
        )
        assert found is not None
        return found


def test_a_change_of_model_on_identical_text_shows_nothing_once_it_is_bridged() -> None:
    random, held, left, jumps, interval = np.random.default_rng(21), np.zeros(3), [], [], 1.96
    for seed in range(300):
        world = World(random)
        bridge, later = world.bridge(400, seed), world.bridge(8_000, seed)
        for place, label in enumerate(LABELS):
            (before,) = prevalence.bridge_series(
                [{"start": "1", "share": 0.5, "low": 0.45, "high": 0.55, "raw": 0.5}],
                [{"time": "2", **bridge[label]}],
            )
            # What the new release says of the same many texts, less what the old one says once it is bridged.
            rest = 0.5 + later[label]["difference"] - before["share"]
            error = np.hypot(before["shift_spread"], later[label]["spread"])
            held[place] += abs(rest) <= interval * error
            left.append(abs(rest))
            jumps.append(abs(later[label]["difference"]))
    rates, rest, jump = (held / 300).round(3), float(np.mean(left)), float(np.mean(jumps))

    assert min(rates) >= 0.93, f"nothing lies in the interval in {rates} of 300 worlds, by label"
    assert rest < 0.015, f"{rest:.4f} of a share is left on average, of {jump:.4f} before"
    assert rest < jump, f"{rest:.4f} is left of {jump:.4f}"


def point(start: str, **more: Any) -> dict[str, Any]:
    return {
        "start": start,
        "raw": 0.4,
        "share": 0.5,
        "low": 0.4,
        "high": 0.6,
        "spread": 0.05,
        "noise": 0.04,
        "release": "r1",
        **more,
    }


def change(time: str, shift: float, half: float) -> dict[str, Any]:
    moved = {"shift": shift, "shift_low": shift - half, "shift_high": shift + half, "shift_spread": half / 2}
    return {"time": time, "difference": shift, "low": shift - half, "high": shift + half, **moved}


def test_what_came_before_a_change_is_shifted_and_widened_and_the_raw_share_stays() -> None:
    before, after = prevalence.bridge_series(
        [point("08"), point("09", release="r2")], [change("09", 0.03, 0.075)]
    )

    assert before["share"] == pytest.approx(0.53)
    # The square root of 0.1 squared and 0.075 squared is 0.125.
    assert (before["low"], before["high"]) == (pytest.approx(0.405), pytest.approx(0.655))
    assert (before["raw"], before["unbridged"], before["shift"], before["shift_spread"]) == (
        0.4,
        0.5,
        0.03,
        0.0375,
    )
    assert after == {**point("09", release="r2"), "unbridged": 0.5, "shift": 0.0, "shift_spread": 0.0}


def test_the_oldest_windows_pass_all_changes_in_whatever_order_they_are_told() -> None:
    points = [point("07"), point("08", release="r2"), point("09", release="r3")]
    found = prevalence.bridge_series(points, [change("09", -0.1, 0.04), change("08", 0.03, 0.03)])

    assert [one["share"] for one in found] == pytest.approx([0.43, 0.4, 0.5])
    assert found[0]["shift_spread"] == pytest.approx(0.025)


def test_a_shifted_share_stays_a_share() -> None:
    (found,) = prevalence.bridge_series(
        [point("08", share=0.02, low=0.0, high=0.05)], [change("09", -0.1, 0.01)]
    )

    assert (found["share"], found["low"], found["high"]) == (0, 0, 0)
    assert found["shift"] == -0.1


def test_a_change_that_was_not_measured_shifts_nothing_and_is_no_surer_than_both_models() -> None:
    before, after = prevalence.bridge_series([point("08"), point("09", release="r2")], [])

    assert (before["share"], before["low"], before["high"]) == (0.5, 0.4, 0.6)
    # Each model's own error is the square root of 0.05 squared less 0.04 squared: 0.03.
    assert before["shift_spread"] == pytest.approx(0.03 * 2**0.5)
    assert after["shift_spread"] == 0


def test_a_series_of_a_year_of_hours_is_bridged_in_less_than_a_second() -> None:
    points = [point(f"{hour:05}", release=f"r{hour // 100}") for hour in range(8760)]
    found = prevalence.bridge_series(
        points, [change(f"{hour:05}", 0.001, 0.001) for hour in range(100, 8760, 100)]
    )

    assert [one["start"] for one in found] == [one["start"] for one in points]
    assert all(later["shift"] <= earlier["shift"] for earlier, later in pairwise(found))


def test_nothing_is_bridged_to_nothing() -> None:
    assert prevalence.bridge_series([], [change("09", 0.1, 0.1)]) == []
