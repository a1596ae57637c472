"""Confusion counts and metrics, by hand and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.evaluate import metrics

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


def test_rows_are_truth_and_columns_predictions() -> None:
    assert metrics.confusion([0, 0, 1, 2], [0, 1, 1, 0], labels=3).tolist() == [
        [1, 1, 0],
        [0, 1, 0],
        [1, 0, 0],
    ]


def test_metrics_of_four_texts_worked_by_hand() -> None:
    counts = metrics.confusion([0, 0, 1, 1], [0, 1, 1, 1], labels=2)

    # label 0: 1 hit of 1 prediction and 2 texts; label 1: 2 hits of 3 predictions and 2 texts.
    assert metrics.per_class(counts, ["no", "yes"]) == {
        "no": {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "texts": 2},
        "yes": {"precision": pytest.approx(2 / 3), "recall": 1.0, "f1": pytest.approx(0.8), "texts": 2},
    }
    assert metrics.summary(counts) == {
        "macro_f1": pytest.approx((2 / 3 + 0.8) / 2),
        "accuracy": 0.75,
        "texts": 4,
    }


def test_a_label_that_is_only_predicted_adds_no_class_but_an_error() -> None:
    counts = metrics.confusion([0, 0], [0, 1], labels=3)
    assert metrics.macro_f1(counts) == pytest.approx(2 / 3)


def test_a_label_that_a_resample_lacks_stays_a_class_of_the_resample() -> None:
    counts = metrics.confusion([0, 0], [0, 0], labels=3)
    assert metrics.macro_f1(counts, np.array([True, True, False])) == pytest.approx(1 / 2)


def test_a_source_is_measured_on_its_own_texts() -> None:
    scores = metrics.per_source([0, 1, 0, 1], [0, 1, 1, 0], ["tweet", "tweet", "movie", "movie"], labels=2)
    assert scores == {
        "movie": {"macro_f1": 0.0, "accuracy": 0.0, "texts": 2},
        "tweet": {"macro_f1": 1.0, "accuracy": 1.0, "texts": 2},
    }


def test_a_slice_is_measured_on_its_rows() -> None:
    scores = metrics.per_slice(
        [0, 1, 0, 1], [0, 1, 1, 0], {"length=1-8": [0, 1], "negated=yes": [1, 2, 3]}, labels=2
    )
    assert scores == {
        "length=1-8": {"macro_f1": 1.0, "accuracy": 1.0, "texts": 2},
        # label 0: no hit of 1 text; label 1: 1 hit of 2 predictions and 2 texts.
        "negated=yes": {"macro_f1": pytest.approx(0.5 / 2), "accuracy": pytest.approx(1 / 3), "texts": 3},
    }


def test_no_texts_give_zeros_and_no_warning() -> None:
    assert metrics.summary(metrics.confusion([], [], labels=3)) == {
        "macro_f1": 0.0,
        "accuracy": 0.0,
        "texts": 0,
    }


@settings(deadline=None)  # the first example pays for importing the oracle
@given(PAIRS)
def test_every_metric_equals_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

    truth, predicted = zip(*pairs, strict=True)
    counts = metrics.confusion(truth, predicted, labels=4)

    assert counts.tolist() == confusion_matrix(truth, predicted, labels=range(4)).tolist()
    assert metrics.macro_f1(counts) == pytest.approx(
        f1_score(truth, predicted, labels=sorted(set(truth)), average="macro", zero_division=0)
    )
    assert metrics.accuracy(counts) == pytest.approx(accuracy_score(truth, predicted))
    theirs = precision_recall_fscore_support(truth, predicted, labels=range(4), zero_division=0)
    ours = metrics.per_class(counts, "abcd").values()
    assert np.allclose([list(entry.values()) for entry in ours], np.array(theirs).T)


@given(PAIRS, st.integers(1, 5))
def test_group_counts_sum_to_the_total(pairs: list[tuple[int, int]], groups: int) -> None:
    truth, predicted = zip(*pairs, strict=True)
    names = [f"group {number % groups}" for number in range(len(truth))]
    by_group = metrics.confusion_by_group(truth, predicted, names, labels=4)

    assert by_group.shape == (len(set(names)), 4, 4)
    assert by_group.sum(axis=0).tolist() == metrics.confusion(truth, predicted, labels=4).tolist()


@given(PAIRS, st.integers(1, 5))
def test_the_tally_of_a_group_is_enough_for_f1(pairs: list[tuple[int, int]], groups: int) -> None:
    truth, predicted = (np.array(column) for column in zip(*pairs, strict=True))
    numbers = np.arange(len(truth)) % groups

    tallies = metrics.tally_by_group(truth, predicted, numbers, groups=groups, labels=4)

    counts = [
        metrics.confusion(truth[numbers == group].tolist(), predicted[numbers == group].tolist(), labels=4)
        for group in range(groups)
    ]
    assert tallies.tolist() == metrics.tally(np.array(counts)).tolist()
    occurs = np.array([table.sum(axis=1) > 0 for table in counts])
    assert metrics.tallied_macro_f1(tallies, occurs).tolist() == [
        float(metrics.macro_f1(table)) for table in counts
    ]
    assert tallies.sum() == sum(int(t == g) for t, g in pairs) + 2 * len(pairs)
