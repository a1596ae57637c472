"""The split of texts that come in batches: of each text numbers are held, and no text.

Legend: N texts, L texts that the champion learnt from. A group and a cluster are named by their first row.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import SplitConfig
from pipeline.base.errors import DataRejected
from pipeline.base.records import SPLITS, TRAIN_ONLY, SplitName
from pipeline.base.split_names import SPLIT_NAMES, split_name
from pipeline.base.tasks import SINGLE_LABEL, TaskName, answer_form
from pipeline.core.clean.growing import GrowingArray
from pipeline.core.clean.near_duplicates import Clusters, NearDuplicateSearch, SignedTexts, Store
from pipeline.core.clean.text_keys import first_rows
from pipeline.core.split.signed_rows import SignedRows

# Why a text is in no split.
COPY_OF = "near duplicate of a text in "
LEARNT = "the champion learnt from it"
TRAIN, VALID, TEST = range(len(SPLITS))
NO_SPLIT = -1
Rows = NDArray[np.int32]
Sides = NDArray[np.int8]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class SplitPlan:
    """Say for each text the split, or why it is in none, and the row that holds the name of its group.

    `sides` holds places in SPLITS, `left_out` the rows in none with the reason. `merged_groups` share a
    split with another group for a near duplicate; `kept_in_train` counts texts that the hash puts into test,
    and that stay in train since the champion learnt from them. `near_duplicates` counts texts with a near
    copy before them. `dealt` counts the texts that went by hash from the train split that a source brings
    into one that it lacks, by source and split.
    """

    sides: Sides
    left_out: Mapping[int, str]
    groups: Rows
    renamed: Flags
    merged_groups: int
    kept_in_train: int
    near_duplicates: int
    dealt: Mapping[tuple[str, SplitName], int]


class Planner:
    """Plan the split of texts that come in batches, then of the texts that the champion learnt from.

    Groups with a near duplicate in common are one, under the name of the member that the hash puts closest
    to train: data that are added may move a text from test to train, never the other way. A group with a
    near duplicate of a learnt text, one that the champion was trained or selected on, is not tested.

    A text keeps the split that its source brings. Where a source brings train but no valid or no test (as
    many benchmarks do), that share of its train groups goes there, by the same hash; what it brings beside
    train is not changed. Such groups are not merged: of near duplicates in two splits the one closer to train
    is left out, and so is a test text that the champion learnt from. Volunteered labels stay in train: who
    sends a label chooses the text, mostly one that the champion gets wrong, and no model may be selected or
    tested on those.
    """

    def __init__(self, cfg: SplitConfig, store: Store, task: TaskName = SINGLE_LABEL) -> None:
        self._cfg, self._task = cfg, task
        self._search = NearDuplicateSearch(cfg.near_duplicates, store)
        self._groups, self._positions = GrowingArray(np.uint64, 2), GrowingArray(np.float64)
        self._own, self._dealable = GrowingArray(np.int8), GrowingArray(bool)
        self._sources, self._labels = GrowingArray(np.int32), GrowingArray(np.int32)
        self._source_numbers: dict[str, int] = {}
        self._label_numbers: dict[str, int] = {}
        self._unknown: dict[str, Counter[str]] = {}

    @property
    def rows(self) -> int:
        """Return the number of texts."""
        return len(self._own)

    @property
    def labels(self) -> list[str]:
        """Return the labels of the texts."""
        return sorted(self._labels_of(self._label_numbers))

    def add(
        self, signed: SignedRows, sources: Sequence[str], labels: Sequence[str], splits: Sequence[str]
    ) -> None:
        """Add texts with their sources, labels, and the splits that the sources bring."""
        sides = dict.fromkeys(set(splits), NO_SPLIT)
        for (split, source), number in Counter(zip(splits, sources, strict=True)).items():
            sides[split] = self._own_side(split, source, number)
        own = [sides[split] for split in splits]
        self._search.add(signed.texts)
        self._groups.extend(signed.groups)
        self._positions.extend(signed.positions)
        self._own.extend(np.array(own, dtype=np.int8))
        self._dealable.extend(np.array([sides[one] == TRAIN and one != TRAIN_ONLY for one in splits], bool))
        self._sources.extend(_numbered(sources, self._source_numbers))
        self._labels.extend(_numbered(labels, self._label_numbers))

    def add_learnt(self, signed: SignedTexts) -> None:
        """Add texts that the champion learnt from, after all others."""
        self._search.add(signed)

    def _own_side(self, split: str, source: str, number: int) -> int:
        if not split:
            return NO_SPLIT
        if side := split_name(split):
            return SPLITS.index(side)
        self._unknown.setdefault(source, Counter())[split[:40]] += number
        return NO_SPLIT

    def plan(self, labels: Collection[str]) -> SplitPlan:
        """Return the split of all texts.

        Raises DataRejected on an unknown split name, an empty split, or a label without texts in train.
        """
        _refuse_unknown(self._unknown)
        clusters_NL = self._search.clusters()
        clusters_N = clusters_NL[: self.rows]
        is_learnt = np.zeros(len(clusters_NL), dtype=bool)
        is_learnt[clusters_NL[self.rows :]] = True
        learnt_N, own_N, dealable_N = is_learnt[clusters_N], self._own.array(), self._dealable.array()
        first_N = first_rows(self._groups.array())
        groups_N, merged = self._merged(first_N, clusters_N, own_N)
        sides_N = self._sides(groups_N, own_N, dealable_N)
        is_learnt_group = np.zeros(self.rows, dtype=bool)
        is_learnt_group[groups_N[learnt_N & ((own_N == NO_SPLIT) | dealable_N)]] = True
        kept_N = (sides_N == TEST) & is_learnt_group[groups_N]
        sides_N[kept_N] = TRAIN
        dealt = self._dealt(own_N, sides_N)
        left_out = _left_out(sides_N, clusters_N, learnt_N)
        sides_N[list(left_out)] = NO_SPLIT
        self._check_usable(sides_N, labels)
        return SplitPlan(
            sides_N, left_out, groups_N, groups_N != first_N, merged, int(kept_N.sum()),
            self.rows - len(np.unique(clusters_N)), dealt,
        )  # fmt: skip

    def _merged(self, first_N: Rows, clusters_N: Rows, own_N: Sides) -> tuple[Rows, int]:
        """Return for each text the row that names its group, and how many groups share one with another."""
        rows_M = np.flatnonzero(own_N == NO_SPLIT)
        _, places_K, which_M = np.unique(clusters_N[rows_M], return_index=True, return_inverse=True)
        mine_M, theirs_M = first_N[rows_M], first_N[rows_M[places_K[which_M]]]
        joined = Clusters(self.rows)
        for place in np.flatnonzero(mine_M != theirs_M).tolist():
            joined.join(int(mine_M[place]), int(theirs_M[place]))
        groups_G = np.unique(mine_M)
        roots_G = joined.roots()[groups_G]
        # The last of each root is the one closest to train.
        order_G = np.lexsort((groups_G, self._positions.array()[groups_G], roots_G))
        ends_G = np.append(roots_G[order_G][1:] != roots_G[order_G][:-1], True)[: len(order_G)]
        sizes = np.diff(np.flatnonzero(ends_G), prepend=-1)
        names = np.arange(self.rows, dtype=np.int32)
        names[groups_G[order_G]] = np.repeat(groups_G[order_G][ends_G], sizes)
        groups_N = first_N.copy()
        groups_N[rows_M] = names[mine_M]
        return groups_N, int(sizes[sizes > 1].sum())

    def _sides(self, groups_N: Rows, own_N: Sides, dealable_N: Flags) -> Sides:
        positions_N, sources_N = self._positions.array()[groups_N], self._sources.array()
        cfg = self._cfg
        by_hash_N = np.where(
            positions_N < cfg.test, TEST, np.where(positions_N < cfg.test + cfg.valid, VALID, TRAIN)
        )
        sides_N: Sides = np.where(own_N == NO_SPLIT, by_hash_N, own_N).astype(np.int8)
        for number in self._source_numbers.values():
            start, left_N = 0.0, dealable_N & (sources_N == number)
            brought = set(np.unique(own_N[sources_N == number]).tolist())
            for side, share in ((TEST, cfg.test), (VALID, cfg.valid)):
                if side not in brought:
                    start += share
                    into_N = left_N & (positions_N < start)
                    sides_N[into_N] = side
                    left_N = left_N & ~into_N
        return sides_N

    def _dealt(self, own_N: Sides, sides_N: Sides) -> Mapping[tuple[str, SplitName], int]:
        sources, moved_N = list(self._source_numbers), (own_N != NO_SPLIT) & (sides_N != own_N)
        pairs = zip(self._sources.array()[moved_N].tolist(), sides_N[moved_N].tolist(), strict=True)
        return Counter((sources[source], SPLITS[side]) for source, side in pairs)

    def _check_usable(self, sides_N: Sides, labels: Collection[str]) -> None:
        for side, split in enumerate(SPLITS):
            if not (sides_N == side).any():
                raise DataRejected(
                    f"The {split} split is empty. Collect more texts or groups, change the shares under "
                    "`split`, or set `columns.split: null` where a source brings one side only."
                )
        answers = list(self._label_numbers)
        # Of one label a text, one may be missing elsewhere: its F1 is then no part of the mean.
        for side in [TRAIN] if answer_form(self._task).one_label else range(len(SPLITS)):
            numbers = np.unique(self._labels.array()[sides_N == side]).tolist()
            if missing := set(labels) - self._labels_of(answers[number] for number in numbers):
                listed = ", ".join(sorted(missing))
                where = f"The {SPLITS[side]} split has no text with the label {listed}. "
                raise DataRejected(f"{where}Collect more of them, or change `split.salt`.")

    def _labels_of(self, answers: Iterable[str]) -> set[str]:
        return {label for one in answers for label in answer_form(self._task).labels_of(one)}


def _numbered(values: Iterable[str], numbers: dict[str, int]) -> Rows:
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int32)


def _left_out(sides_N: Sides, clusters_N: Rows, learnt_N: Flags) -> dict[int, str]:
    """Return why each text is in no split; only where a source brings its split it can be so."""
    tested_N = (sides_N == TEST) & learnt_N
    closest = np.full(len(sides_N), NO_SPLIT, dtype=np.int8)
    np.maximum.at(closest, clusters_N[~tested_N], sides_N[~tested_N])
    copies_N = ~tested_N & (sides_N != closest[clusters_N])
    rows = np.flatnonzero(tested_N | copies_N)
    return {
        int(row): LEARNT if tested_N[row] else f"{COPY_OF}{SPLITS[closest[clusters_N[row]]]}" for row in rows
    }


def _refuse_unknown(unknown: Mapping[str, Counter[str]]) -> None:
    for source, names in unknown.items():
        listed = ", ".join(f"{name!r} ({number:,} texts)" for name, number in names.most_common(10))
        raise DataRejected(
            f"source {source}: {listed} is not a split (known: {', '.join(SPLIT_NAMES)}). "
            "Correct the column, or set `columns.split` of this source to null to split it by hash."
        )
