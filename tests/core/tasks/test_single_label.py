"""What a text with single ratings teaches."""

from typing import Any

import numpy as np
import pytest

from pipeline.base.config import RatingRule
from pipeline.core.tasks.protocol import Training, TruthRow
from pipeline.core.tasks.single_label import with_ratings
from pipeline.io.params_file import load_params

LABELS = ["negative", "neutral", "positive"]


@pytest.mark.parametrize(
    ("label", "source", "raters", "learnt"),
    [
        ("neutral", "rated", "0 1 0 1", [0.0003, 0.4997, 0.5]),
        # A person has corrected this label: the ratings say neutral or positive.
        ("negative", "rated", "0 1 0 1", [1.0, 0.0, 0.0]),
        ("neutral", "rated", "0", [0.0, 1.0, 0.0]),
        ("neutral", "rated", "", [0.0, 1.0, 0.0]),
        ("neutral", "unrated", "0 1 0 1", [0.0, 1.0, 0.0]),
    ],
)
def test_ratings_are_learnt_unless_they_contradict_the_label(
    label: str, source: str, raters: str, learnt: list[float], root: Any
) -> None:
    cfg = load_params(root / "params.yaml").finetune
    rule = RatingRule(negative_to=-0.5, positive_from=0.5000001)
    training = Training(LABELS, {"rated": rule}, cfg, 3, "head")
    hard_NL = np.eye(3, dtype=np.float32)[[LABELS.index(label)]]

    targets_NL = with_ratings(hard_NL, [TruthRow(label, source, raters)], training)

    assert targets_NL[0].tolist() == pytest.approx(learnt, abs=1e-3)
