"""Candidate against champion: the paired bootstrap, and changed predictions."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.base.config import GateConfig
from pipeline.base.documents import Comparison, Look, SliceDifference
from pipeline.base.errors import DataRejected
from pipeline.core.evaluate import bootstrap, metrics
from pipeline.core.evaluate.comparison import Anchor, SourcePredictions, compare_models, measure_forgetting
from pipeline.core.evaluate.paired_bootstrap import PairedPredictions
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


LOOK: Look = {"number": 1, "allowed": 1, "level": 0.05}


def pair(texts: int, *, candidate: float, champion: float, seed: int = 3) -> PairedPredictions:
    random = np.random.default_rng(seed)
    truth = random.integers(3, size=texts)
    hard = random.random(texts)  # the same texts are hard for both
    predictions = (np.where(hard < share, truth, (truth + 1) % 3).tolist() for share in (candidate, champion))
    return PairedPredictions(
        [f"t{n}" for n in range(texts)],
        truth.tolist(),
        *predictions,
        [f"review {n // 2}" for n in range(texts)],
    )


def compared(
    predictions: PairedPredictions, seed: int = 20, gate: GateConfig = GATE, **slices: list[int]
) -> Comparison:
    return compare_models(
        predictions, champion="R1", labels=LABELS, slices=slices, gate=gate, seed=seed, look=LOOK
    )


def few(*rows: tuple[int, int, int], copies: int = 1) -> PairedPredictions:
    """Build predictions from rows (truth, candidate, champion), each text a group of its own."""
    columns = [list(column) for column in zip(*rows * copies, strict=True)]
    return PairedPredictions(
        [f"t{n}" for n in range(len(columns[0]))], *columns, list(range(len(columns[0])))
    )


def test_equal_predictions_never_differ() -> None:
    comparison = compared(pair(300, candidate=0.8, champion=0.8))

    assert (comparison["texts"], comparison["changed"]["count"], comparison["mcnemar"]["p"]) == (300, 0, 1.0)
    assert [comparison["macro_f1"][name] for name in ("difference", "low", "high")] == [0.0, 0.0, 0.0]
    assert [entry["p_adjusted"] for entry in comparison["slices"]] == [1.0, 1.0, 1.0]
    # (1.645 + 0.842)² texts, all fixed
    assert comparison["macro_f1"]["minimum_detectable"] == pytest.approx(6.18 / 300, abs=1e-4)


def test_a_gain_lies_within_its_interval_above_zero() -> None:
    comparison = compared(pair(2000, candidate=0.82, champion=0.78))["macro_f1"]
    assert 0 < comparison["low"] < comparison["difference"] < comparison["high"]
    assert comparison["difference"] == pytest.approx(0.04, abs=0.01)
    assert comparison["candidate"] - comparison["champion"] == pytest.approx(comparison["difference"])


def test_swapping_the_models_changes_the_sign() -> None:
    there = compared(pair(500, candidate=0.85, champion=0.75))
    back = compared(pair(500, candidate=0.75, champion=0.85))
    assert back["macro_f1"]["difference"] == pytest.approx(-there["macro_f1"]["difference"])
    assert (back["macro_f1"]["low"], back["macro_f1"]["high"]) == pytest.approx(
        (-there["macro_f1"]["high"], -there["macro_f1"]["low"])
    )
    assert back["mcnemar"]["only_champion"] == there["mcnemar"]["only_candidate"] > 0
    assert back["mcnemar"]["p"] == there["mcnemar"]["p"] < 0.001


def test_equal_seeds_give_equal_documents() -> None:
    predictions = pair(200, candidate=0.8, champion=0.75)
    assert compared(predictions, half=list(range(100))) == compared(predictions, half=list(range(100)))
    assert compared(predictions)["macro_f1"]["low"] != compared(predictions, seed=21)["macro_f1"]["low"]
    assert json.loads(json.dumps(compared(predictions), allow_nan=False)) == compared(predictions)


def test_a_slice_has_the_scores_of_its_texts_and_a_class_its_f1() -> None:
    predictions = pair(400, candidate=0.8, champion=0.75)
    first = list(range(150))

    comparison = {
        entry["name"]: entry
        for entry in compared(predictions, first=first, every=list(range(400)), empty=[])["slices"]
    }

    # Slices with all texts or none are left out.
    assert list(comparison) == ["first", "class=negative", "class=neutral", "class=positive"]
    own = metrics.confusion(predictions.truth[:150], predictions.candidate[:150], labels=3)
    assert comparison["first"]["candidate"] == pytest.approx(float(metrics.macro_f1(own)))
    every = metrics.per_class(metrics.confusion(predictions.truth, predictions.champion, labels=3), LABELS)
    assert comparison["class=neutral"]["champion"] == pytest.approx(every["neutral"]["f1"])
    assert (comparison["first"]["texts"], comparison["class=neutral"]["texts"]) == (
        150,
        predictions.truth.count(1),
    )


def test_a_label_that_no_text_has_is_no_slice() -> None:
    comparison = compared(few((0, 0, 0), (1, 1, 2), copies=20))
    assert [entry["name"] for entry in comparison["slices"]] == ["class=negative", "class=neutral"]


def test_a_slice_that_drops_beyond_the_margin_is_significant_and_others_are_not() -> None:
    right, broken = (0, 0, 0), (1, 0, 1)
    same, lost = few(right, (1, 1, 1), copies=100), few(right, right, right, broken, (1, 1, 1), copies=40)
    both = PairedPredictions(
        list(range(400)),
        same.truth + lost.truth,
        same.candidate + lost.candidate,
        same.champion + lost.champion,
        list(range(400)),
    )

    comparison = {
        entry["name"]: entry
        for entry in compared(both, same=list(range(200)), lost=list(range(200, 400)))["slices"]
    }

    assert (comparison["same"]["difference"], comparison["same"]["p_adjusted"]) == (0.0, 1.0)
    # Negative: 120 hits of 120 texts and 160 predictions; neutral: 40 hits of 80 texts and 40 predictions.
    assert comparison["lost"]["candidate"] == pytest.approx((240 / 280 + 80 / 120) / 2)
    assert comparison["lost"]["p"] == 1 / 401
    assert comparison["lost"]["p_adjusted"] <= 4 / 401  # two slices and two labels
    assert (comparison["lost"]["state"], comparison["same"]["state"]) == ("worse", "not worse")
    assert comparison["lost"]["lower"] < comparison["lost"]["difference"] < -0.02


def test_many_slices_need_no_more_resamples() -> None:
    predictions = pair(400, candidate=0.4, champion=0.8)
    slices = {f"s{n}": list(range(n, n + 300)) for n in range(97)}
    comparison = compared(predictions, gate=GATE.model_copy(update={"resamples": 99}), **slices)
    # Holm would need one of 1,000 for a hundred slices; the slices share their draws.
    assert all(entry["p_adjusted"] < 0.1 for entry in comparison["slices"])


def with_retired_label(texts: int) -> PairedPredictions:
    """Build a champion that predicts label 2, which no text has any more, 5 times; it is better otherwise."""
    models = pair(texts, candidate=0.76, champion=0.80)
    truth = [label % 2 for label in models.truth]
    candidate, champion = (
        [
            label if mine == theirs else 1 - label
            for label, mine, theirs in zip(truth, column, models.truth, strict=True)
        ]
        for column in (models.candidate, models.champion)
    )
    return PairedPredictions(models.ids, truth, candidate, [2] * 5 + champion[5:], models.groups)


def test_a_retired_label_predicted_five_times_decides_nothing() -> None:
    predictions = with_retired_label(2000)
    right = [
        np.mean(np.equal(column, predictions.truth))
        for column in (predictions.candidate, predictions.champion)
    ]

    overall = compared(predictions)["macro_f1"]

    # Before, F1 of the retired label was 0 for the champion alone, a third of its average: +0.23.
    assert overall["difference"] == pytest.approx(right[0] - right[1], abs=0.005)
    assert overall["high"] < 0


def test_a_slice_is_held_against_the_best_earlier_release() -> None:
    # Each release is two points worse on the slice than the one before, within the margin of three.
    models = pair(6000, candidate=0.76, champion=0.78)
    first = pair(6000, candidate=0.76, champion=0.82)
    rows = list(range(3000))
    margin = GATE.model_copy(update={"slice_margin": 0.03})

    def compare(*anchors: Anchor) -> dict[str, SliceDifference]:
        document = compare_models(
            models,
            champion="R2",
            labels=LABELS,
            slices={"half": rows},
            gate=margin,
            seed=20,
            look=LOOK,
            anchors=anchors,
        )
        return {row["name"]: row for row in document["slices"]}

    alone, anchored = compare()["half"], compare(Anchor("R1", first, range(6000)))["half"]
    assert (alone["state"], alone["against"]) == ("not worse", "R2")
    assert (anchored["state"], anchored["against"]) == ("worse", "R1")
    assert anchored["difference"] == pytest.approx(-0.06, abs=0.01)


def test_an_earlier_release_is_compared_on_texts_that_it_did_not_learn_from() -> None:
    models = pair(1000, candidate=0.70, champion=0.70)
    learnt = PairedPredictions(models.ids, models.truth, models.candidate, models.truth, models.groups)
    rows = [row for row in range(1000) if models.candidate[row] == models.truth[row]]
    document = compare_models(
        models,
        champion="R2",
        labels=LABELS,
        slices={"half": range(500)},
        gate=GATE,
        seed=20,
        look=LOOK,
        anchors=[Anchor("R1", learnt, rows)],
    )
    # On its other texts the earlier release is right, and so is the candidate.
    assert {row["state"] for row in document["slices"]} == {"not worse"}


@pytest.mark.parametrize(("fixed", "significant"), [(3, False), (4, False), (5, True)])
def test_a_few_fixed_texts_are_no_significant_gain(fixed: int, significant: bool) -> None:
    predictions = few(*[(0, 0, 1)] * fixed, *[(0, 0, 0), (1, 1, 1)] * 40)
    # Two-sided 90%: four coins all fall to one side once in 16, more than once in 20; five once in 32.
    assert (compared(predictions)["macro_f1"]["low"] > 0) is significant


def test_a_slice_of_one_text_cannot_drop_significantly() -> None:
    predictions = few((0, 1, 0), *[(0, 0, 0), (1, 1, 1)] * 40)
    (slice_, *_) = compared(predictions, tiny=[0])["slices"]
    assert (slice_["difference"], slice_["p"], slice_["state"]) == (-1.0, 0.5, "not known")


def test_a_group_counts_once_however_many_texts_it_holds() -> None:
    rows = [*[(0, 1, 0)] * 12, *[(0, 0, 0), (1, 1, 1)] * 40]
    single = few(*rows)
    grouped = PairedPredictions(
        single.ids, single.truth, single.candidate, single.champion, [0] * 12 + list(range(1, 81))
    )
    assert compared(single)["macro_f1"]["high"] < 0
    assert compared(grouped)["macro_f1"]["high"] == 0


def test_pairing_detects_a_gain_that_separate_intervals_miss() -> None:
    predictions = pair(1000, candidate=0.785, champion=0.77)
    mine = metrics.confusion_by_group(predictions.truth, predictions.candidate, predictions.groups, labels=3)
    low, high = bootstrap.metric_intervals(
        mine, bootstrap.BootstrapConfig(resamples=400, confidence=0.9, seed=1)
    )["macro_f1"]

    comparison = compared(predictions)["macro_f1"]

    assert comparison["low"] > 0
    assert low < comparison["champion"] < high


def test_changed_predictions_are_listed_broken_first_up_to_the_limit() -> None:
    comparison = compared(few((0, 0, 1), (0, 0, 0), (1, 2, 0), (2, 1, 2), (1, 1, 0)))["changed"]

    assert (comparison["count"], comparison["fixed"], comparison["broken"]) == (4, 2, 1)
    assert comparison["texts"] == [
        {"id": "t3", "label": "positive", "champion": "positive", "candidate": "neutral"},
        {"id": "t0", "label": "negative", "champion": "neutral", "candidate": "negative"},
        {"id": "t4", "label": "neutral", "champion": "negative", "candidate": "neutral"},
    ]


def test_each_source_of_the_champion_is_compared_on_its_own_texts() -> None:
    pairs = {
        "tweet": SourcePredictions(pair(300, candidate=0.8, champion=0.8), ""),
        "movie": SourcePredictions(pair(400, candidate=0.6, champion=0.8), "v2"),
    }

    movie, tweet = measure_forgetting(pairs, champion="R1", labels=LABELS, gate=GATE, seed=20)

    assert (movie["name"], movie["texts"], movie["data_version"]) == ("source=movie", 400, "v2")
    assert (tweet["name"], tweet["texts"], tweet["data_version"]) == ("source=tweet", 300, "")
    assert movie["p"] == 1 / 401
    assert movie["p_adjusted"] == 1 / 401
    assert (movie["state"], movie["against"]) == ("worse", "R1")
    assert tweet["p_adjusted"] == 1.0
    assert measure_forgetting({}, champion="R1", labels=LABELS, gate=GATE, seed=20) == []


def test_without_texts_a_comparison_is_rejected() -> None:
    nothing = PairedPredictions([], [], [], [], [])
    with pytest.raises(DataRejected, match="no text in common"):
        compared(nothing)
    with pytest.raises(DataRejected, match="source=movie"):
        measure_forgetting(
            {"movie": SourcePredictions(nothing, "v2")}, champion="R1", labels=LABELS, gate=GATE, seed=20
        )


def test_2000_resamples_of_3342_texts_in_20_slices_take_3_seconds() -> None:
    predictions = pair(3342, candidate=0.78, champion=0.77)
    slices = {f"s{number}": list(range(number * 100, number * 100 + 600)) for number in range(20)}
    compared(few((0, 0, 1), copies=9))  # imports scipy
    start = time.process_time()
    compared(predictions, gate=GATE.model_copy(update={"resamples": 2000}), **slices)
    assert time.process_time() - start < 3
