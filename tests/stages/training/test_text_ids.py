"""An error names texts by their ids, whatever was made of them for a training."""

import numpy as np
import pytest

from pipeline.base.records import TextRecord
from pipeline.io import parquet
from pipeline.io.training.token_shards import write_shards
from pipeline.stages.training.text_ids import TextIds


@pytest.fixture
def ids(tmp_path):
    names = ["first", "second", "third", "fourth"]
    records = [TextRecord(name, "a text", "good", "mine", name, "en", "", "own") for name in names]
    parquet.write_texts(tmp_path / "train.parquet", records)
    # Two windows of the third text, one of the first, and behind a copy of the fourth.
    batches = [
        {"tokens": [[1], [2], [3]], "table_row": np.array([2, 2, 0])},
        {"tokens": [[4]], "table_row": np.array([3])},
    ]
    return TextIds(write_shards(tmp_path / "texts", batches), tmp_path / "train.parquet")


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [([2], ["first"]), ([0, 1], ["third"]), ([3, 1, 2], ["first", "third", "fourth"]), ([], [])],
)
def test_rows_of_tokens_are_ids_of_texts(ids, rows, wanted):
    assert ids(rows) == wanted
