"""Folds of texts by group, and the interval of a mean over them."""

from collections import Counter

import pytest

from pipeline.base.errors import DataRejected
from pipeline.core.search.folds import MeanOverFolds, assign_folds, mean_over_folds

GROUPS = [f"g{number // 3}" for number in range(60)] + ["large"] * 15


def test_groups_stay_whole_and_folds_hold_equally_many_texts():
    folds = assign_folds(GROUPS, folds=5, seed=20)

    assert len(set(zip(GROUPS, folds, strict=True))) == len(set(GROUPS))
    assert sorted(Counter(folds).values()) == [15, 15, 15, 15, 15]


def test_folds_do_not_depend_on_the_order_of_the_texts():
    there = dict(zip(GROUPS, assign_folds(GROUPS, folds=5, seed=20), strict=True))
    back = dict(zip(GROUPS[::-1], assign_folds(GROUPS[::-1], folds=5, seed=20), strict=True))

    assert there == back
    assert there != dict(zip(GROUPS, assign_folds(GROUPS, folds=5, seed=21), strict=True))


def test_fewer_groups_than_folds_are_refused_with_what_to_type():
    with pytest.raises(DataRejected, match=r"5 folds .* hold 2\. .*`folds: 2` under `tune`"):
        assign_folds(["a", "b", "b"], folds=5, seed=20)


def test_the_interval_counts_the_texts_that_two_folds_share():
    found = mean_over_folds([0.70, 0.72, 0.74, 0.76, 0.78], folds=5, confidence=0.95)

    # Standard deviation 0.0316; times the root of 1/5 + 1/4 and Student's 2.776 with 4 degrees of freedom.
    assert found.mean == pytest.approx(0.74)
    assert (found.low, found.high) == pytest.approx((0.74 - 0.0589, 0.74 + 0.0589), abs=1e-4)


def test_one_fold_has_no_interval():
    assert mean_over_folds([0.7], folds=5, confidence=0.95) == MeanOverFolds(0.7, None, None)
