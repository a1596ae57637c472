"""The folds of a search: the texts of train and validation by group, never those of the test split.

A fold is written as a split of its own while it is trained: `train` and `valid`, which chooses the step that
is kept, hold the other folds, `held_out` is scored.
"""

from pathlib import Path

from pipeline.base.config import Params
from pipeline.base.errors import DataRejected
from pipeline.base.records import Receipt, TextRecord
from pipeline.core.search.folds import assign_folds
from pipeline.core.split.groups import hash_position
from pipeline.io import files, parquet

HELD_OUT = "held_out"
Parts = dict[str, list[TextRecord]]


def divide(splits: Path, fold: int, params: Params) -> Parts:
    """Return the texts of train and validation as the parts of a fold.

    Raises Fault where there are no data yet, DataRejected where there are too few groups of texts.
    """
    files.verified_receipt(splits, made_by="split")
    records = [
        record for side in ("train", "valid") for record in parquet.read_texts(splits / f"{side}.parquet")
    ]
    folds, cfg = params.tune.folds, params.split
    fold_of_row = assign_folds([record.group for record in records], folds=folds, seed=params.seed)
    others = [record for record, number in zip(records, fold_of_row, strict=True) if number != fold]
    held_out = [record for record, number in zip(records, fold_of_row, strict=True) if number == fold]
    # The share that the split gives the validation texts, by the same hash, here as a quantile: the test
    # texts, which have the smallest places, are not among these.
    groups = sorted({record.group for record in others}, key=lambda group: hash_position(group, cfg))
    chosen = set(groups[: max(1, round(len(groups) * cfg.valid / (1 - cfg.test)))])
    train = [record for record in others if record.group not in chosen]
    if not train:
        raise DataRejected(
            f"With {folds} folds no group of texts is left to train on. Collect more texts, or "
            "write a smaller number of `folds` under `tune` in params.yaml."
        )
    return {
        "train": train,
        "valid": [record for record in others if record.group in chosen],
        HELD_OUT: held_out,
    }


def write_fold(out: Path, parts: Parts) -> None:
    """Write the parts of a fold into a folder, as the split stage writes its own."""
    with files.staging_dir(out) as staging:
        for name, records in parts.items():
            parquet.write_texts(staging / f"{name}.parquet", records)
        counts = {name: len(records) for name, records in parts.items()}
        files.write_receipt(staging, Receipt("split", counts))
