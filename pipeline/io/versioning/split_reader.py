"""The texts of a data version, whatever lies in the work tree."""

import tempfile
from pathlib import Path

from pipeline.base.records import SplitName, TextRecord
from pipeline.io import files, parquet
from pipeline.io.versioning.data_branch import export_folder


def read_split(root: Path, version: str, *sides: SplitName) -> list[TextRecord]:
    """Read these sides of a data version.

    Raises Fault when they are no longer in DVC's cache.
    """
    with tempfile.TemporaryDirectory(prefix="tonewatch-past-") as staging:
        splits = Path(staging) / "splits"
        export_folder(root, version, "data/splits", splits)
        files.verified_receipt(splits, made_by="split")
        return [record for side in sides for record in parquet.read_texts(splits / f"{side}.parquet")]
