"""The split of texts by the hash of their group, so that hardly a text moves when data are added.

Near duplicates share a group, and no text that the champion learnt from becomes a test text.
"""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from pipeline.base.config import SplitConfig
from pipeline.base.errors import DataRejected
from pipeline.base.records import SPLITS, TRAIN_ONLY, SplitName, TextRecord
from pipeline.base.split_names import SPLIT_NAMES, split_name
from pipeline.core.clean.near_duplicates import Clusters, near_duplicate_clusters

# Why a text is in no split.
COPY_OF = "near duplicate of a text in "
LEARNT = "the champion learnt from it"


@dataclasses.dataclass(frozen=True)
class Split:
    """The texts of each split, those in none with the reason, and counts of what near duplicates changed.

    `merged_groups` share a split with another group for a near duplicate; `kept_in_train` counts texts that
    the hash puts into test, and that stay in train since the champion learnt from them. `near_duplicates`
    counts texts with a near copy before them. `dealt` counts the texts that went by hash from the train split
    that a source brings into one that it lacks, by source and split.
    """

    texts: Mapping[SplitName, list[TextRecord]]
    left_out: Sequence[tuple[TextRecord, str]]
    merged_groups: int
    kept_in_train: int
    near_duplicates: int
    dealt: Mapping[tuple[str, SplitName], int]


def assign_split(group: str, cfg: SplitConfig) -> SplitName:
    """Assign a group to a split by the hash of salt and group, independently of other groups."""
    position = _hash_position(group, cfg)
    if position < cfg.test:
        return "test"
    return "valid" if position < cfg.test + cfg.valid else "train"


def split_records(
    records: Sequence[TextRecord], cfg: SplitConfig, labels: Collection[str], learnt: Sequence[str] = ()
) -> Split:
    """Assign records to train, valid and test, in their order.

    Groups with a near duplicate in common are one, under the name of the member that the hash puts closest
    to train: data that are added may move a text from test to train, never the other way. A group with a
    near duplicate of a `learnt` text, one that the champion was trained or selected on, is not tested.

    A record keeps the split that its source brings. Where a source brings train but no valid or no test (as
    many benchmarks do), that share of its train groups goes there, by the same hash; what it brings beside
    train is not changed. Such groups are not merged: of near duplicates in two splits the one closer to train
    is left out, and so is a test text that the champion learnt from. Volunteered labels stay in train: who
    sends a label chooses the text, mostly one that the champion gets wrong, and no model may be selected or
    tested on those.

    Raises DataRejected on an unknown split name, an empty split, or a label without texts in train.
    """
    own = _own_splits(records)
    clusters = near_duplicate_clusters(
        [*(record.text for record in records), *learnt], similarity=cfg.near_duplicates
    )
    learnt_clusters = set(clusters[len(records) :])
    names = _merged_names(records, clusters, own, cfg)
    merged = [
        dataclasses.replace(record, group=names.get(record.group, record.group))
        if record.id not in own
        else record
        for record in records
    ]
    brought = {(record.source, own[record.id]) for record in records if record.id in own}
    learnt_groups = {
        record.group
        for record, cluster in zip(merged, clusters, strict=False)
        if cluster in learnt_clusters and (record.id not in own or _may_be_dealt(record, own))
    }
    sides = [_side(record, own, brought, cfg) for record in merged]
    kept = [side == "test" and r.group in learnt_groups for r, side in zip(merged, sides, strict=True)]
    sides = ["train" if stays else side for stays, side in zip(kept, sides, strict=True)]
    reasons = _left_out(sides, clusters, learnt_clusters)
    splits: dict[SplitName, list[TextRecord]] = {split: [] for split in SPLITS}
    for record, side, reason in zip(merged, sides, reasons, strict=True):
        if reason is None:
            splits[side].append(record)
    _check_usable(splits, labels)
    left_out = [(record, reason) for record, reason in zip(merged, reasons, strict=True) if reason]
    dealt = Counter(
        (record.source, side)
        for record, side in zip(merged, sides, strict=True)
        if record.id in own and side != own[record.id]
    )
    near_duplicates = len(records) - len(set(clusters[: len(records)]))
    return Split(splits, left_out, len(names), sum(kept), near_duplicates, dealt)


def _merged_names(
    records: Sequence[TextRecord], clusters: Sequence[int], own: Collection[str], cfg: SplitConfig
) -> dict[str, str]:
    """Return for each group that shares a near duplicate with another one the name of them together."""
    numbers: dict[str, int] = {}
    rows = [
        (numbers.setdefault(r.group, len(numbers)), cluster)
        for r, cluster in zip(records, clusters, strict=False)
        if r.id not in own
    ]
    joined, first = Clusters(len(numbers)), dict[int, int]()
    for number, cluster in rows:
        joined.join(number, first.setdefault(cluster, number))
    members: dict[int, list[str]] = {}
    for group, number in numbers.items():
        members.setdefault(joined.root(number), []).append(group)
    return {
        group: max(together, key=lambda name: (_hash_position(name, cfg), name))
        for together in members.values()
        if len(together) > 1
        for group in together
    }


def _may_be_dealt(record: TextRecord, own: Mapping[str, SplitName]) -> bool:
    """Return whether a text of the train split that its source brings may go into one that it lacks."""
    return own.get(record.id) == "train" and record.split != TRAIN_ONLY


def _side(
    record: TextRecord,
    own: Mapping[str, SplitName],
    brought: Collection[tuple[str, SplitName]],
    cfg: SplitConfig,
) -> SplitName:
    split = own.get(record.id) or assign_split(record.group, cfg)
    if not _may_be_dealt(record, own):
        return split
    position, start = _hash_position(record.group, cfg), 0.0
    shares: tuple[tuple[SplitName, float], ...] = (("test", cfg.test), ("valid", cfg.valid))
    for side, share in shares:
        if (record.source, side) not in brought:
            start += share
            if position < start:
                return side
    return split


def _left_out(
    sides: Sequence[SplitName], clusters: Sequence[int], learnt: Collection[int]
) -> list[str | None]:
    """Return for each text why it is in no split; only where a source brings its split it can be so."""
    closest: dict[int, SplitName] = {}
    reasons: list[str | None] = []
    for side, cluster in zip(sides, clusters, strict=False):
        if not (side == "test" and cluster in learnt):
            closest[cluster] = max(closest.get(cluster, side), side, key=SPLITS.index)
    for side, cluster in zip(sides, clusters, strict=False):
        if side == "test" and cluster in learnt:
            reasons.append(LEARNT)
        else:
            reasons.append(None if side == closest[cluster] else f"{COPY_OF}{closest[cluster]}")
    return reasons


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


def _own_splits(records: Sequence[TextRecord]) -> dict[str, SplitName]:
    """Return the split of each record whose source brings one; raise DataRejected naming unknown splits."""
    own: dict[str, SplitName] = {}
    unknown: dict[str, Counter[str]] = {}
    for record in records:
        if not record.split:
            continue
        if side := split_name(record.split):
            own[record.id] = side
        else:
            unknown.setdefault(record.source, Counter())[record.split[:40]] += 1
    for source, names in unknown.items():
        listed = ", ".join(f"{name!r} ({number:,} texts)" for name, number in names.most_common(10))
        raise DataRejected(
            f"source {source}: {listed} is not a split (known: {', '.join(SPLIT_NAMES)}). "
            "Correct the column, or set `columns.split` of this source to null to split it by hash."
        )
    return own


def _check_usable(splits: dict[SplitName, list[TextRecord]], labels: Collection[str]) -> None:
    for split, records in splits.items():
        if not records:
            raise DataRejected(
                f"The {split} split is empty. "
                "Collect more texts or groups, change the shares under `split` in params.yaml, "
                "or set `columns.split: null` where a source brings one side only."
            )
    missing = [label for label in labels if label not in {record.label for record in splits["train"]}]
    if missing:
        raise DataRejected(
            f"The train split has no text with the label {', '.join(missing)}. "
            "Collect more of them, or change `split.salt`."
        )
