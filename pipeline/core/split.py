"""Which side of the split a text stands on: dealt by the hash of its group, so that nothing moves when data grows."""

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
    """Deal a group to a side by the hash of salt and group; no other group has a say in it."""
    place = _place(group, cfg)
    if place < cfg.test:
        return "test"
    return "valid" if place < cfg.test + cfg.valid else "train"


def split_records(
    records: Sequence[TextRecord], cfg: SplitConfig, labels: Collection[str]
) -> dict[SplitName, list[TextRecord]]:
    """Deal records to the three sides, in their order.

    A record that brings its own side keeps it. Where a source brings sides but no valid one (as many benchmarks do), its train
    groups are dealt anew by the same hash, the share `valid` of them to valid; its test side is never touched.
    Raises DataRejected on an unknown name of a side, an empty side, or a label that train has no text of.
    """
    own = {record.id: _own_side(record) for record in records if record.split}
    with_valid = {record.source for record in records if own.get(record.id) == "valid"}
    sides: dict[SplitName, list[TextRecord]] = {side: [] for side in SPLITS}
    for record in records:
        side = own.get(record.id) or assign_split(record.group, cfg)
        if (
            own.get(record.id) == "train"
            and record.source not in with_valid
            and _place(record.group, cfg) < cfg.valid
        ):
            side = "valid"
        sides[side].append(record)
    _usable(sides, labels)
    return sides


def _place(group: str, cfg: SplitConfig) -> float:
    digest = hashlib.sha256(f"{cfg.salt}\0{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _own_side(record: TextRecord) -> SplitName:
    side = SPLIT_NAMES.get(record.split.strip().casefold())
    if side is None:
        raise DataRejected(
            f"source {record.source}: {record.split[:40]!r} is not a side of the split (known: {', '.join(SPLIT_NAMES)}). "
            "Mend the column, or set `columns.split` of this source to null to have it dealt by hash."
        )
    return side


def _usable(sides: dict[SplitName, list[TextRecord]], labels: Collection[str]) -> None:
    for side, records in sides.items():
        if not records:
            raise DataRejected(
                f"No text falls to {side}. Collect more texts or groups, or change the shares under `split` in params.yaml."
            )
    missing = [label for label in labels if label not in {record.label for record in sides["train"]}]
    if missing:
        raise DataRejected(
            f"The train side has no text labelled {', '.join(missing)}. Collect more of them, or change `split.salt`."
        )
