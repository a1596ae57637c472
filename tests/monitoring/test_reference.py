"""The reference of a release, as cached in the folder of the windows."""

from pathlib import Path
from typing import Any, cast

import pytest

from pipeline.base.config import Workspace
from pipeline.base.documents import ReleaseRecord
from pipeline.base.records import Receipt
from pipeline.io import files, parquet
from pipeline.monitoring.reference import TABLE, ReleaseReference


@pytest.mark.parametrize("predicted", ["predicted", "guess"], ids=["today", "first-version"])
def test_a_cached_reference_of_any_version_is_read(tmp_path: Path, predicted: str) -> None:
    workspace = Workspace.of(tmp_path, {})
    columns: dict[str, list[Any]] = {
        "source": ["movie", "tweet", "movie"],
        "request": ["a", "b", "c"],
        "position": [0, 0, 0],
        predicted: [2, 0, 1],
        "confidence": [0.9, 0.8, 0.7],
        "words": [5, 6, 7],
        "unknown": [0.0, 0.1, 0.2],
        "lang": ["en", "en", "und"],
        "embedding": [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]],
    }
    with files.staging_dir(workspace.windows / "reference-R1") as staging:
        parquet.write_rows(staging / TABLE, columns)
        files.write_receipt(staging, Receipt("watch", counts={"texts": 3}))

    samples = ReleaseReference(workspace, cast(ReleaseRecord, {"release": "R1"})).samples

    assert list(samples) == ["", "movie", "tweet"]
    assert samples[""].predicted.tolist() == [2, 0, 1]
    assert samples["movie"].request == ("a", "c")
    assert samples["movie"].words.tolist() == [5.0, 7.0]
