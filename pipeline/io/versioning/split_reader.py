"""The texts of a data version, whatever lies in the work tree."""

import tempfile
from pathlib import Path

from pipeline.base.records import Record, Side
from pipeline.io import files, parquet
from pipeline.io.versioning.data_branch import take_out


def past_texts(root: Path, version: str, *sides: Side) -> list[Record]:
    """Read these sides of a data version.

    Raises Fault when they are no longer in DVC's cache.
    """
    with tempfile.TemporaryDirectory(prefix="tonewatch-past-") as desk:
        splits = Path(desk) / "splits"
        take_out(root, version, "data/splits", splits)
        files.trusted(splits, made_by="split")
        return [record for side in sides for record in parquet.read_texts(splits / f"{side}.parquet")]
