"""Soft ordinal targets: most for the true label, less with every step from it."""

import numpy as np
import pytest

from pipeline.core.train.ordinal_targets import ordinal_targets


def test_the_targets_fall_by_the_same_factor_each_step() -> None:
    targets_LL = ordinal_targets(3, sharpness=float(np.log(2)))

    assert targets_LL[0] == pytest.approx([4 / 7, 2 / 7, 1 / 7])
    assert targets_LL[1] == pytest.approx([1 / 4, 1 / 2, 1 / 4])
    assert targets_LL[2] == pytest.approx(targets_LL[0][::-1])


def test_a_sharp_target_is_nearly_the_label_itself() -> None:
    assert ordinal_targets(5, sharpness=20.0) == pytest.approx(np.eye(5), abs=1e-6)
