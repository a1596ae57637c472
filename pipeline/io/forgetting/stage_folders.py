"""Folders of stages, written without what was forgotten: their receipts count it."""

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path

from pipeline.base.data_account import ACCOUNT, DUPLICATE, DataAccount
from pipeline.base.records import SPLITS, Receipt, counts_by
from pipeline.io import files, parquet
from pipeline.io.forgetting.held_files import Covers, Row, held_rows, write_without

FORGOTTEN = "forgotten"


def purge_below(folder: Path, covers: Covers) -> int:
    """Write every file below a folder without what is covered; return the number of rows that are gone.

    A folder with a receipt is whole or as before, also after a kill; what killed writers left is removed.
    """
    if not folder.is_dir():
        return 0
    for leftover in [*folder.glob(".*.staging-*"), *folder.glob(".*.old-*")]:
        name = leftover.name[1:].rpartition(".")[0]
        files.sweep_staging(folder / name)
    gone = 0
    for path in sorted(folder.iterdir()):
        if path.is_dir() and (path / files.RECEIPT).is_file():
            gone += purge_stage(path, path, covers)
        elif path.is_dir():
            gone += purge_below(path, covers)
        elif path.is_file() and any(held_rows(path, covers)):
            gone += len(write_without(path, path, covers))
    return gone


def purge_stage(folder: Path, out: Path, covers: Covers) -> int:
    """Write the folder of a stage to `out` without what is covered; return the number of rows gone."""
    held = [path for path in _files(folder) if path.name != files.RECEIPT and any(held_rows(path, covers))]
    if not held and folder == out:
        return 0
    gone: dict[str, list[Row]] = {}
    with files.staging_dir(out) as staging:
        for path in _files(folder):
            name = path.relative_to(folder).as_posix()
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            if path in held:
                gone[name] = write_without(path, staging / name, covers)
            elif path.name != files.RECEIPT:
                shutil.copyfile(path, staging / name)
        receipt = _recounted(files.read_receipt(folder), gone, staging)
        files.write_receipt(staging, receipt)
    return sum(len(rows) for rows in gone.values())


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _recounted(receipt: Receipt, gone: Mapping[str, list[Row]], folder: Path) -> Receipt:
    """Return a receipt with the counts of what is left."""
    numbers = {name: len(rows) for name, rows in gone.items()}
    counts = dict(receipt.counts)
    counts[FORGOTTEN] = counts.get(FORGOTTEN, 0) + sum(numbers.values())
    notes = dict(receipt.notes)
    if receipt.stage == "collect":
        texts = parquet.read_texts(folder / "texts.parquet")
        counts = {name: n for name, n in counts.items() if not name.startswith(("source/", "label/"))}
        known = {name.removeprefix("label/") for name in receipt.counts if name.startswith("label/")}
        counts |= counts_by("source", (one.source for one in texts))
        counts |= counts_by("label", (one.label for one in texts if one.label in known))
        counts["out"] = len(texts)
        counts["unreadable"] = counts.get("unreadable", 0) - numbers.get("unreadable.parquet", 0)
    elif receipt.stage == "clean":
        kept, aside = numbers.get("texts.parquet", 0), gone.get("quarantine.parquet", [])
        counts["in"] -= kept + len(aside)
        counts["kept"] -= kept
        counts["quarantined"] -= len(aside)
        for row in aside:
            counts[f"reason/{row['reason']}"] -= 1
        if account := DataAccount.of_notes(notes):
            notes[ACCOUNT] = _adjusted(account, kept, aside).to_json()
    elif receipt.stage == "split":
        counts, notes["fingerprint"] = _resplit(counts, folder)
    return dataclasses.replace(receipt, counts=counts, notes=notes)


def _adjusted(account: DataAccount, kept: int, aside: list[Row]) -> DataAccount:
    set_aside = dict(account.set_aside)
    copies = sum(row["reason"] == DUPLICATE for row in aside)
    for row in aside:
        if row["reason"] != DUPLICATE:
            set_aside[row["reason"]] -= 1
    return dataclasses.replace(
        account,
        kept=account.kept - kept,
        duplicates=account.duplicates - copies,
        set_aside={reason: number for reason, number in set_aside.items() if number},
        forgotten=account.forgotten + kept + len(aside),
    )


def _resplit(counts: Mapping[str, int], folder: Path) -> tuple[dict[str, int], str]:
    prefixes = tuple(f"{split}/" for split in SPLITS)
    counted = {name: n for name, n in counts.items() if not name.startswith(prefixes)}
    splits = {split: parquet.read_texts(folder / f"{split}.parquet") for split in SPLITS}
    for split, records in splits.items():
        counted[split] = len(records)
        for field in ("label", "lang", "source"):
            counted |= counts_by(f"{split}/{field}", (getattr(one, field) for one in records))
    rows = ((split, record) for split, records in splits.items() for record in records)
    return counted, parquet.split_fingerprint(rows)
