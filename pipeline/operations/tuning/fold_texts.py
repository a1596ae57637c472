"""The folds of a search on disk: the texts of train and validation by group, never those of the test split.

A fold's folder is a split of its own: `train` and `valid`, which chooses the step that is kept, hold the
other folds, `held_out` is scored.
"""

from collections.abc import Sequence
from pathlib import Path

from pipeline.base.config import SplitConfig
from pipeline.base.errors import DataRejected
from pipeline.base.records import Receipt, TextRecord
from pipeline.core.search.folds import assign_folds
from pipeline.core.split.groups import hash_position
from pipeline.io import files, parquet

HELD_OUT = "held_out"


def write_folds(splits: Path, out: Path, *, folds: int, cfg: SplitConfig, seed: int) -> Receipt:
    """Divide the train and validation texts of a split into folds, a folder each; return its receipt.

    What is there already is kept. Raises Fault where there are no data yet, DataRejected where there are too
    few groups.
    """
    receipt = files.verified_receipt(splits, made_by="split")
    records = [
        record for side in ("train", "valid") for record in parquet.read_texts(splits / f"{side}.parquet")
    ]
    fold_of_row = assign_folds([record.group for record in records], folds=folds, seed=seed)
    for fold in range(folds):
        folder = out / f"fold-{fold}"
        if not (folder / files.RECEIPT).is_file():
            others = [record for record, number in zip(records, fold_of_row, strict=True) if number != fold]
            held_out = [record for record, number in zip(records, fold_of_row, strict=True) if number == fold]
            _write_fold(folder, others, held_out, cfg)
    return receipt


def _write_fold(
    folder: Path, others: Sequence[TextRecord], held_out: Sequence[TextRecord], cfg: SplitConfig
) -> None:
    # The share that the split gives the validation texts, by the same hash, here as a quantile: the test
    # texts, which have the smallest places, are not among these.
    groups = sorted({record.group for record in others}, key=lambda group: hash_position(group, cfg))
    chosen = set(groups[: max(1, round(len(groups) * cfg.valid / (1 - cfg.test)))])
    valid = [record for record in others if record.group in chosen]
    train = [record for record in others if record.group not in chosen]
    if not train:
        raise DataRejected(
            f"{folder.name} leaves no group of texts to train on. Collect more texts, or type "
            "`tonewatch run --set tune.folds=2`."
        )
    with files.staging_dir(folder) as staging:
        for name, records in (("train", train), ("valid", valid), (HELD_OUT, held_out)):
            parquet.write_texts(staging / f"{name}.parquet", records)
        counts = {"train": len(train), "valid": len(valid), HELD_OUT: len(held_out)}
        files.write_receipt(staging, Receipt("split", counts))
