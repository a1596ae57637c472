"""What the baselines of a task are given."""

from typing import Any

import numpy as np
import pytest

from pipeline.core.tasks.protocol import BaselineTexts
from pipeline.core.tasks.table import task_named
from pipeline.io.params_file import load_params


@pytest.mark.parametrize(
    ("texts", "most", "rows"), [(10, 5, [0, 2, 4, 6, 8]), (3, 5, [0, 1, 2]), (5, 5, [0, 1, 2, 3, 4])]
)
def test_a_frozen_encoder_learns_from_texts_at_equal_distances(
    texts: int, most: int, rows: list[int], root: Any
) -> None:
    cfg = load_params(root / "params.yaml").evaluate
    given = BaselineTexts(["text"] * texts, ["good"] * texts, [], ["bad", "good"], cfg, None)

    assert given.frozen_rows(most) == rows


def test_no_more_texts_are_embedded_than_the_frozen_encoder_learns_from(root: Any) -> None:
    cfg = load_params(root / "params.yaml").evaluate
    assert cfg.frozen_encoder is not None
    few = cfg.model_copy(
        update={
            "frozen_encoder": cfg.frozen_encoder.model_copy(update={"max_texts": 20}),
            "vader_thresholds": None,
        }
    )
    embedded: list[int] = []

    def embed(texts: Any) -> Any:
        embedded.append(len(texts))
        return np.array([[float("good" in text), 1.0] for text in texts])

    texts = ["a good song", "a bad song"] * 50
    given = BaselineTexts(texts, ["good", "bad"] * 50, ["good", "bad"], ["bad", "good"], few, embed)
    predicted = task_named("single_label").baselines(given)

    assert embedded == [20, 2]
    assert predicted["frozen_encoder"] == ["good", "bad"]
