"""The split of texts by the hash of their group, so that no text moves when data are added."""

import hashlib
from collections.abc import Collection, Sequence

from pipeline.base.config import SplitConfig
from pipeline.base.errors import DataRejected
from pipeline.base.records import SPLITS, SplitName, TextRecord

SPLIT_NAMES: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
}


def assign_split(group: str, cfg: SplitConfig) -> SplitName:
    """Assign a group to a split by the hash of salt and group, independently of other groups."""
    position = _hash_position(group, cfg)
    if position < cfg.test:
        return "test"
    return "valid" if position < cfg.test + cfg.valid else "train"


def split_records(
    records: Sequence[TextRecord], cfg: SplitConfig, labels: Collection[str]
) -> dict[SplitName, list[TextRecord]]:
    """Assign records to train, valid and test, in their order.

    A record keeps the split that its source brings. Where a source brings train and test but no valid (as
    many benchmarks do), the share `valid` of its train groups goes to valid, by the same hash; its test is
    not changed. Raises DataRejected on an unknown split name, an empty split, or a label without texts in
    train.
    """
    own = {record.id: _source_split(record) for record in records if record.split}
    with_valid = {record.source for record in records if own.get(record.id) == "valid"}
    splits: dict[SplitName, list[TextRecord]] = {split: [] for split in SPLITS}
    for record in records:
        split = own.get(record.id) or assign_split(record.group, cfg)
        lacks_valid = own.get(record.id) == "train" and record.source not in with_valid
        if lacks_valid and _hash_position(record.group, cfg) < cfg.valid:
            split = "valid"
        splits[split].append(record)
    _check_usable(splits, labels)
    return splits


def halve_by_group(groups: Sequence[str]) -> tuple[list[int], list[int]]:
    """Divide texts, given by their groups, into two halves; returns the rows of each.

    Groups stay whole and are taken in the order of their hash until half of the texts are reached. With a
    single group both halves hold every text.
    """
    rows: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        rows.setdefault(group, []).append(row)
    if len(rows) < 2:
        return list(range(len(groups))), list(range(len(groups)))
    # Without the last one, so that the second half is not empty.
    *order, _ = sorted(rows, key=lambda group: hashlib.sha256(f"half\0{group}".encode()).digest())
    first: list[int] = []
    for place, group in enumerate(order):
        if place and 2 * len(first) >= len(groups):
            break
        first += rows[group]
    return sorted(first), sorted(set(range(len(groups))).difference(first))


def _hash_position(group: str, cfg: SplitConfig) -> float:
    digest = hashlib.sha256(f"{cfg.salt}\0{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _source_split(record: TextRecord) -> SplitName:
    split = SPLIT_NAMES.get(record.split.strip().casefold())
    if split is None:
        raise DataRejected(
            f"source {record.source}: {record.split[:40]!r} is not a split "
            f"(known: {', '.join(SPLIT_NAMES)}). "
            "Correct the column, or set `columns.split` of this source to null to split it by hash."
        )
    return split


def _check_usable(splits: dict[SplitName, list[TextRecord]], labels: Collection[str]) -> None:
    for split, records in splits.items():
        if not records:
            raise DataRejected(
                f"The {split} split is empty. "
                "Collect more texts or groups, or change the shares under `split` in params.yaml."
            )
    missing = [label for label in labels if label not in {record.label for record in splits["train"]}]
    if missing:
        raise DataRejected(
            f"The train split has no text with the label {', '.join(missing)}. "
            "Collect more of them, or change `split.salt`."
        )
