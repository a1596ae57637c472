"""How often the answers are right, and when a release is taken back for it."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.config import QualityConfig
from pipeline.core.evaluate.metrics import confusion, macro_f1
from pipeline.core.monitor import quality

LABELS = ("negative", "neutral", "positive")
CHANCE = {"confidence": 0.95, "resamples": 400, "seed": 7}
CFG = QualityConfig(min_labels=100, rollback_hours=72.0, rollback_margin=0.03)
NAMES = {"champion": "r7", "previous": "r6"}
# The truth is always `yes`; what each release makes of a text, and how often: champion lost it, won it, both right, both wrong.
CELLS = (("no", "yes"), ("yes", "no"), ("yes", "yes"), ("no", "no"))


def asked(mine: list[str], theirs: list[str], cfg: QualityConfig = CFG) -> quality.RegressionVerdict:
    return quality.detect_regression(["yes"] * len(mine), mine, theirs, cfg, confidence=0.95, names=NAMES)


def taken_back(lost: float, won: float, looks: range, *, times: int, seed: int) -> float:
    """Give how often the champion is taken back at any look, both releases else right in seven texts of ten."""
    random = np.random.default_rng(seed)
    both = (1 - lost - won) * 0.7
    found = 0
    for _ in range(times):
        drawn = [
            CELLS[cell]
            for cell in random.choice(4, size=looks[-1], p=[lost, won, both, 1 - lost - won - both])
        ]
        mine, theirs = [pair[0] for pair in drawn], [pair[1] for pair in drawn]
        found += any(asked(mine[:labels], theirs[:labels]).fell for labels in looks)
    return found / times


def test_accuracy_and_its_interval_worked_by_hand() -> None:
    found = quality.observed_quality(["negative"] * 10, ["negative"] * 8 + ["neutral"] * 2, LABELS, **CHANCE)

    assert found is not None
    # Wilson: (0.8 + 1.9208 / 10) / 1.38415 -+ 1.96 * sqrt(0.016 + 0.0096037) / 1.38415
    assert (found["labels"], found["accuracy"]) == (10, 0.8)
    assert (found["low"], found["high"]) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_macro_f1_is_that_of_the_evaluation_and_its_interval_lies_around_it() -> None:
    truth, guess = np.random.default_rng(3).integers(3, size=(2, 300))
    found = quality.observed_quality(
        [LABELS[one] for one in truth], [LABELS[one] for one in guess], LABELS, **CHANCE
    )

    assert found is not None
    assert found["macro_f1"] == pytest.approx(
        float(macro_f1(confusion(truth.tolist(), guess.tolist(), labels=3)))
    )
    assert found["macro_f1_low"] < found["macro_f1"] < found["macro_f1_high"]
    assert json.loads(json.dumps(found)) == found


def test_a_label_that_the_release_does_not_know_is_a_mistake() -> None:
    found = quality.observed_quality(["ironic", "neutral"], ["neutral", "neutral"], LABELS, **CHANCE)

    assert found is not None
    assert found["accuracy"] == 0.5


def test_nothing_told_is_nothing_known() -> None:
    assert quality.observed_quality([], [], LABELS, **CHANCE) is None
    assert quality.estimated_quality([], **CHANCE) is None


@pytest.mark.parametrize(("hits", "texts"), [(0, 10), (10, 10), (1, 1), (0, 1), (999, 1000)])
def test_an_interval_at_the_border_is_neither_empty_nor_beyond_it(hits: int, texts: int) -> None:
    low, high = quality.wilson_interval(hits, texts, confidence=0.95)

    assert 0 <= low < high <= 1
    assert low <= hits / texts <= high


def test_the_interval_of_the_estimated_accuracy_holds_what_is_seen_of_a_calibrated_model() -> None:
    random, held = np.random.default_rng(5), 0
    for seed in range(500):
        confidence = random.beta(6, 2, size=120)
        seen = float((random.random(120) < confidence).mean())
        found = quality.estimated_quality(confidence.tolist(), confidence=0.95, resamples=1000, seed=seed)
        assert found is not None
        held += found["low"] <= seen <= found["high"]

    # Given the confidences, less is left to chance than when the texts are drawn as well: it holds more than it promises.
    assert 0.93 <= held / 500 <= 1, f"held {held} of 500"


def test_a_window_of_ones_is_not_wholly_sure() -> None:
    found = quality.estimated_quality([1.0] * 20, **CHANCE)

    assert found is not None
    assert found["accuracy"] == found["high"] == 1.0
    assert 0.7 < found["low"] < 1


def test_too_few_labels_are_no_decision() -> None:
    found = asked(["no"] * 99, ["yes"] * 99)

    assert (found.judged, found.fell) == (False, False)
    assert (
        found.reason
        == "Only 99 true labels are told, too few to judge a release by (watch.quality.min_labels is 100)."
    )


def test_a_champion_that_surely_lost_too_much_is_told_with_its_figures() -> None:
    found = asked(["no"] * 30 + ["yes"] * 70, ["yes"] * 90 + ["no"] * 10)

    assert (found.judged, found.fell) == (True, True)
    assert found.figures == {
        "labels": 100,
        "champion": 0.7,
        "previous": 0.9,
        "fall": pytest.approx(0.2),
        "low": found.figures["low"],
    } | {"margin": 0.03}
    assert found.reason == (
        "On the same 100 texts with true labels r7 has an accuracy of 0.700 and r6 of 0.900: a fall of 0.200, surely a fall by more than "
        f"the 0.030 that is tolerated (watch.quality.rollback_margin; 95% bound {found.figures['low']:+.3f}, however often it is asked)."
    )
    assert json.loads(json.dumps(found.as_dict())) == found.as_dict()


def test_a_champion_that_is_better_is_kept_and_the_reason_says_so() -> None:
    found = asked(["yes"] * 200, ["no"] * 60 + ["yes"] * 140)

    assert not found.fell
    assert "a gain of 0.300, not surely a fall by more than the 0.030 that is tolerated" in found.reason


def test_releases_that_answer_alike_show_no_change() -> None:
    found = asked(["yes"] * 200, ["yes"] * 200)

    assert not found.fell
    assert "r6 of 1.000: no change, not surely a fall" in found.reason


def test_equal_releases_asked_again_and_again_are_wrongly_taken_back_in_at_most_1_of_20() -> None:
    rates = {
        change: taken_back(change, change, range(100, 401, 25), times=1000, seed=11)
        for change in (0.05, 0.15)
    }

    assert max(rates.values()) <= 0.05, f"taken back wrongly: {rates}"


def test_a_champion_that_lost_just_what_is_tolerated_is_taken_back_in_at_most_1_of_20() -> None:
    # This is the hardest case that the promise holds for.
    rates = {
        won: taken_back(won + 0.03, won, range(100, 401, 25), times=600, seed=12) for won in (0.01, 0.06)
    }

    assert max(rates.values()) <= 0.05, f"taken back at the margin: {rates}"


def test_a_fall_of_15_points_is_found_with_200_labels() -> None:
    rate = taken_back(0.19, 0.04, range(100, 201, 25), times=1000, seed=13)

    assert rate >= 0.90, f"found {rate}"


def test_once_it_fell_more_labels_of_the_same_kind_do_not_take_that_back() -> None:
    answers = [
        [cell for cell, count in zip(CELLS, (4, 0, 12, 4), strict=True) for _ in range(count * times)]
        for times in (5, 10, 40)
    ]

    assert [
        asked([mine for mine, _ in drawn], [theirs for _, theirs in drawn]).fell for drawn in answers
    ] == [True, True, True]


@given(st.integers(0, 60), st.integers(0, 60), st.integers(120, 2000))
def test_the_bound_lies_below_the_fall_that_is_seen_and_the_score_there_is_what_was_asked(
    lost: int, won: int, labels: int
) -> None:
    low = quality._surely(lost, won, labels, reach=2.0)

    assert -1 <= low <= (lost - won) / labels
    assert quality._score(lost, won, labels, low) == pytest.approx(2.0, abs=1e-3)


def test_what_is_spent_by_400_labels_is_what_was_promised() -> None:
    # Of 30,000 walks, looked at whenever the labels have grown by a twentieth; half, then half of what is left: 4.4 %.
    random, looks = np.random.default_rng(2), 100 * 1.05 ** np.arange(29)
    steps = random.normal(size=(30_000, 29)) * np.sqrt(np.diff(looks, prepend=0))
    bounds = np.array([quality._reach(int(labels), 100, 0.95) for labels in looks])

    crossed = (np.cumsum(steps, axis=1) / np.sqrt(looks) > bounds).any(axis=1).mean()

    assert crossed == pytest.approx(0.05 * (1 - 0.5 * 100 / looks[-1]), abs=0.004), f"crossed {crossed}"
