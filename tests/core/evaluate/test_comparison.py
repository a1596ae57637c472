"""Candidate against champion, in pairs."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.base.config import GateConfig
from pipeline.base.errors import DataRejected
from pipeline.core.evaluate import bootstrap, metrics
from pipeline.core.evaluate.comparison import PairedPredictions, compare_models, measure_forgetting
from pipeline.io.params_file import load_params

LABELS = ("negative", "neutral", "positive")
GATE = load_params(Path(__file__).parents[3] / "params.yaml").gate.model_copy(
    update={
        "confidence": 0.9,
        "power": 0.8,
        "resamples": 400,
        "slice_margin": 0.02,
        "forgetting_margin": 0.04,
        "changed_listed": 3,
    }
)


def pair(texts: int, *, candidate: float, champion: float, seed: int = 3) -> PairedPredictions:
    random = np.random.default_rng(seed)
    truth = random.integers(3, size=texts)
    hard = random.random(texts)  # the same texts are hard for both
    answers = (np.where(hard < share, truth, (truth + 1) % 3).tolist() for share in (candidate, champion))
    return PairedPredictions(
        [f"t{n}" for n in range(texts)], truth.tolist(), *answers, [f"review {n // 2}" for n in range(texts)]
    )


def compared(
    given: PairedPredictions, seed: int = 20, gate: GateConfig = GATE, **slices: list[int]
) -> dict[str, Any]:
    return compare_models(given, champion="R1", labels=LABELS, slices=slices, gate=gate, seed=seed)


def few(*rows: tuple[int, int, int], copies: int = 1) -> PairedPredictions:
    """Make a pair of (truth, candidate, champion), each text a group of its own."""
    columns = [list(column) for column in zip(*rows * copies, strict=True)]
    return PairedPredictions(
        [f"t{n}" for n in range(len(columns[0]))], *columns, list(range(len(columns[0])))
    )


def test_equal_answers_differ_by_nothing_in_every_resample() -> None:
    found = compared(pair(300, candidate=0.8, champion=0.8))

    assert (found["texts"], found["changed"]["count"], found["mcnemar"]["p"]) == (300, 0, 1.0)
    assert [found["macro_f1"][name] for name in ("difference", "low", "high")] == [0.0, 0.0, 0.0]
    assert [entry["p_holm"] for entry in found["slices"]] == [1.0, 1.0, 1.0]
    # (1.645 + 0.842)² texts, all mended
    assert found["macro_f1"]["visible"] == pytest.approx(6.18 / 300, abs=1e-4)


def test_a_gain_lies_between_its_bounds_and_above_zero() -> None:
    found = compared(pair(2000, candidate=0.82, champion=0.78))["macro_f1"]
    assert 0 < found["low"] < found["difference"] < found["high"]
    assert found["difference"] == pytest.approx(0.04, abs=0.01)
    assert found["candidate"] - found["champion"] == pytest.approx(found["difference"])


def test_changing_sides_changes_the_sign() -> None:
    there = compared(pair(500, candidate=0.85, champion=0.75))
    back = compared(pair(500, candidate=0.75, champion=0.85))
    assert back["macro_f1"]["difference"] == pytest.approx(-there["macro_f1"]["difference"])
    assert (back["macro_f1"]["low"], back["macro_f1"]["high"]) == pytest.approx(
        (-there["macro_f1"]["high"], -there["macro_f1"]["low"])
    )
    assert back["mcnemar"]["only_champion"] == there["mcnemar"]["only_candidate"] > 0
    assert back["mcnemar"]["p"] == there["mcnemar"]["p"] < 0.001


def test_equal_seeds_give_equal_documents_of_plain_values() -> None:
    given = pair(200, candidate=0.8, champion=0.75)
    assert compared(given, half=list(range(100))) == compared(given, half=list(range(100)))
    assert compared(given)["macro_f1"]["low"] != compared(given, seed=21)["macro_f1"]["low"]
    assert json.loads(json.dumps(compared(given), allow_nan=False)) == compared(given)


def test_a_slice_has_the_figures_of_its_own_texts_and_a_class_its_f1() -> None:
    given = pair(400, candidate=0.8, champion=0.75)
    first = list(range(150))

    found = {
        entry["name"]: entry
        for entry in compared(given, first=first, every=list(range(400)), empty=[])["slices"]
    }

    # A slice that holds every text is the whole once more, and one without a text is nothing.
    assert list(found) == ["first", "class=negative", "class=neutral", "class=positive"]
    own = metrics.confusion(given.truth[:150], given.candidate[:150], labels=3)
    assert found["first"]["candidate"] == pytest.approx(float(metrics.macro_f1(own)))
    every = metrics.per_class(metrics.confusion(given.truth, given.champion, labels=3), LABELS)
    assert found["class=neutral"]["champion"] == pytest.approx(every["neutral"]["f1"])
    assert (found["first"]["texts"], found["class=neutral"]["texts"]) == (150, given.truth.count(1))


def test_a_label_that_no_text_has_is_no_slice() -> None:
    found = compared(few((0, 0, 0), (1, 1, 2), copies=20))
    assert [entry["name"] for entry in found["slices"]] == ["class=negative", "class=neutral"]


def test_a_slice_that_fell_further_than_the_margin_is_surely_worse_and_its_neighbour_is_not() -> None:
    right, broken = (0, 0, 0), (1, 0, 1)
    kept, lost = few(right, (1, 1, 1), copies=100), few(right, right, right, broken, (1, 1, 1), copies=40)
    both = PairedPredictions(
        list(range(400)),
        kept.truth + lost.truth,
        kept.candidate + lost.candidate,
        kept.champion + lost.champion,
        list(range(400)),
    )

    found = {
        entry["name"]: entry
        for entry in compared(both, kept=list(range(200)), lost=list(range(200, 400)))["slices"]
    }

    assert (found["kept"]["difference"], found["kept"]["p_holm"]) == (0.0, 1.0)
    # Negative: 120 hits of 120 texts and 160 guesses; neutral: 40 hits of 80 texts and 40 guesses.
    assert found["lost"]["candidate"] == pytest.approx((240 / 280 + 80 / 120) / 2)
    assert found["lost"]["p"] == 1 / 401
    assert found["lost"]["p_holm"] == pytest.approx(4 / 401)  # two slices and two labels
    assert found["lost"]["bound"] < -0.02


def test_what_is_missing_to_a_slice_is_just_what_would_no_longer_be_surely_worse() -> None:
    given = pair(600, candidate=0.72, champion=0.80)
    worst = min(compared(given)["slices"], key=lambda entry: entry["p"])
    assert worst["p_holm"] <= 0.1

    # With a margin at its bound the slice is no longer among those that are; a hair short of it, it is.
    at, short = (
        {
            e["name"]: e
            for e in compared(given, gate=GATE.model_copy(update={"slice_margin": -worst["bound"] + hair}))[
                "slices"
            ]
        }
        for hair in (1e-9, -1e-9)
    )
    assert at[worst["name"]]["p"] > 0.1 / 3
    assert short[worst["name"]]["p"] <= 0.1 / 3


def test_many_slices_draw_as_often_as_their_number_asks() -> None:
    given = pair(400, candidate=0.4, champion=0.8)
    slices = {f"s{n}": list(range(n, n + 300)) for n in range(97)}
    found = compared(given, gate=GATE.model_copy(update={"resamples": 20}), **slices)
    # One of 21 could never be below 0.1/100.
    assert all(entry["p_holm"] < 0.1 for entry in found["slices"])


@pytest.mark.parametrize(("mended", "shown"), [(3, False), (4, False), (5, True)])
def test_a_handful_of_mended_texts_is_no_gain_since_names_dealt_by_lot_would_give_it_too(
    mended: int, shown: bool
) -> None:
    given = few(*[(0, 0, 1)] * mended, *[(0, 0, 0), (1, 1, 1)] * 40)
    # Two-sided 90%: of four coins all fall to one side once in 16, which is more than one in 20; of five once in 32.
    assert (compared(given)["macro_f1"]["low"] > 0) is shown


def test_a_slice_of_one_text_cannot_be_surely_worse() -> None:
    given = few((0, 1, 0), *[(0, 0, 0), (1, 1, 1)] * 40)
    (slice_, *_) = compared(given, tiny=[0])["slices"]
    assert (slice_["difference"], slice_["p"]) == (-1.0, 0.5)


def test_a_group_counts_as_one_however_many_texts_it_holds() -> None:
    rows = [*[(0, 1, 0)] * 12, *[(0, 0, 0), (1, 1, 1)] * 40]
    single = few(*rows)
    grouped = PairedPredictions(
        single.ids, single.truth, single.candidate, single.champion, [0] * 12 + list(range(1, 81))
    )
    assert compared(single)["macro_f1"]["high"] < 0
    assert compared(grouped)["macro_f1"]["high"] == 0


def test_pairs_see_a_gain_that_two_separate_intervals_would_miss() -> None:
    given = pair(1000, candidate=0.785, champion=0.77)
    mine = metrics.confusion_by_group(given.truth, given.candidate, given.groups, labels=3)
    low, high = bootstrap.metric_intervals(mine, resamples=400, confidence=0.9, seed=1)["macro_f1"]

    found = compared(given)["macro_f1"]

    assert found["low"] > 0
    assert low < found["champion"] < high


def test_changed_answers_are_listed_by_id_the_broken_first_and_no_further_than_asked() -> None:
    found = compared(few((0, 0, 1), (0, 0, 0), (1, 2, 0), (2, 1, 2), (1, 1, 0)))["changed"]

    assert (found["count"], found["mended"], found["broken"]) == (4, 2, 1)
    assert found["texts"] == [
        {"id": "t3", "label": "positive", "champion": "positive", "candidate": "neutral"},
        {"id": "t0", "label": "negative", "champion": "neutral", "candidate": "negative"},
        {"id": "t4", "label": "neutral", "champion": "negative", "candidate": "neutral"},
    ]


def test_each_source_the_champion_had_learnt_is_compared_on_its_own_items() -> None:
    pairs = {
        "tweet": (pair(300, candidate=0.8, champion=0.8), ""),
        "movie": (pair(400, candidate=0.6, champion=0.8), "v2"),
    }

    movie, tweet = measure_forgetting(pairs, labels=LABELS, gate=GATE, seed=20)

    assert (movie["name"], movie["texts"], movie["data_version"]) == ("source=movie", 400, "v2")
    assert (tweet["name"], tweet["texts"], tweet["data_version"]) == ("source=tweet", 300, "")
    assert movie["p"] == 1 / 401
    assert movie["p_holm"] == 2 / 401
    assert movie["bound"] < -0.04
    assert tweet["p_holm"] == 1.0
    assert measure_forgetting({}, labels=LABELS, gate=GATE, seed=20) == []


def test_nothing_to_compare_on_is_said_and_not_divided_by() -> None:
    nothing = PairedPredictions([], [], [], [], [])
    with pytest.raises(DataRejected, match="no text in common"):
        compared(nothing)
    with pytest.raises(DataRejected, match="source=movie"):
        measure_forgetting({"movie": (nothing, "v2")}, labels=LABELS, gate=GATE, seed=20)


def test_three_thousand_texts_in_twenty_slices_are_compared_two_thousand_times_in_three_seconds() -> None:
    given = pair(3342, candidate=0.78, champion=0.77)
    slices = {f"s{number}": list(range(number * 100, number * 100 + 600)) for number in range(20)}
    compared(few((0, 0, 1), copies=9))  # pays for importing scipy
    start = time.process_time()
    compared(given, gate=GATE.model_copy(update={"resamples": 2000}), **slices)
    assert time.process_time() - start < 3
