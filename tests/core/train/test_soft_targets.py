import numpy as np
import pytest

from pipeline.base.config.table_section import RatingRule
from pipeline.core.train.soft_targets import label_probabilities, ordinal_targets

RULE = RatingRule(negative_to=-0.5, positive_from=0.5)


def test_ratings_far_from_a_limit_give_one_label():
    assert label_probabilities([2.0, 3.0, 2.0, 3.0], RULE) == pytest.approx((0, 0, 1), abs=1e-6)
    assert label_probabilities([0.0] * 20, RULE) == pytest.approx((0, 1, 0), abs=1e-6)


def test_a_mean_on_the_limit_is_one_half_of_each():
    negative, neutral, positive = label_probabilities([0.4, 0.6, 0.5, 0.5], RULE)

    assert (negative, neutral, positive) == pytest.approx((0, 0.5, 0.5), abs=1e-6)


def test_raters_who_disagree_leave_a_doubt_that_more_of_them_remove():
    few, many = (label_probabilities([-1.0, 3.0] * count, RULE)[2] for count in (2, 40))

    # The mean is 1.0; the standard errors are 1.155 and 0.225.
    assert few == pytest.approx(0.6675, abs=1e-3)
    assert many == pytest.approx(0.9869, abs=1e-3)


def test_the_targets_on_a_scale_fall_by_the_same_factor_each_step():
    targets_LL = ordinal_targets(3, sharpness=float(np.log(2)))

    assert targets_LL[0] == pytest.approx([4 / 7, 2 / 7, 1 / 7])
    assert targets_LL[1] == pytest.approx([1 / 4, 1 / 2, 1 / 4])
    assert targets_LL[2] == pytest.approx(targets_LL[0][::-1])


def test_a_sharp_target_on_a_scale_is_nearly_the_label_itself():
    assert ordinal_targets(5, sharpness=20.0) == pytest.approx(np.eye(5), abs=1e-6)
