"""What is odd about texts that may be used all the same: each kind with its count and an example's id."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import ValidateConfig
from pipeline.base.data_account import DUPLICATE
from pipeline.base.records import SPLITS, TextRecord
from pipeline.base.split_names import split_name
from pipeline.core.validate.measured_texts import NONE, MeasuredTexts, RowMeasures, text_keys

# A time is stale that is further from the middle 80 % of all times than a year and three times their range.
STALE_AFTER, STALE_RANGES, MIDDLE = timedelta(days=365), 3, (0.1, 0.9)
MIN_TIMES = 10
# Of the two-sample Kolmogorov-Smirnov test at 1 %: sqrt(-ln(0.01 / 2) / 2).
KS_FACTOR = 1.628
OVER_LENGTH = 0.99
Numbers = Sequence[float] | NDArray[np.float64] | NDArray[np.int32]
Rows = NDArray[np.int64]
Seconds = NDArray[np.float64]
Words = NDArray[np.int32]


@dataclass(frozen=True)
class Finding:
    """Hold one kind of oddity: how many texts have it, and the id of one of them; stored as JSON.

    `listed` says how many of them are listed in a file, None where none is written; `detail` is a sentence
    about what changed since the data version before.
    """

    kind: str
    count: int
    example: str
    listed: int | None = None
    detail: str = ""

    @property
    def figures(self) -> str:
        """Return the count with the example, for one line of a log."""
        if self.detail:
            return f"{self.detail} ({self.example})" if self.example else self.detail
        listed = "" if self.listed is None else f"{self.listed} listed of "
        return f"{listed}{self.count} ({self.example})"


def find_oddities(
    texts: MeasuredTexts, rejected: Iterable[tuple[TextRecord, str]], cfg: ValidateConfig
) -> list[Finding]:
    """Return what is odd about the clean texts, and the reasons of the quarantined ones; only what occurs.

    `rejected` is passed over in batches where it is a table.
    """
    first: dict[str, str] = {}
    numbers: Counter[str] = Counter()
    copies: list[tuple[str, str, str]] = []
    for record, reason in rejected:
        numbers[reason] += 1
        first.setdefault(reason, record.id)
        if reason == DUPLICATE and record.split:
            copies.append((record.id, record.text, record.split))
    moved = _across_splits(copies, texts.measures)
    found = [Finding(reason, numbers[reason], one) for reason, one in first.items()]
    found += [
        Finding("duplicate across splits", len(moved), moved[0] if moved else ""),
        _of("foreign language", _foreign(texts, cfg), texts),
        _of("stale time", _stale(texts.measures.seconds_N), texts),
        *(
            _of(f"length shift in {split}", rows, texts)
            for split, rows in length_shifts(texts.measures, cfg.max_shift).items()
        ),
    ]
    return [finding for finding in found if finding.count]


def _of(kind: str, rows: Rows, texts: MeasuredTexts) -> Finding:
    return Finding(kind, len(rows), texts.id_of(int(rows[0])) if len(rows) else "")


def _across_splits(copies: Sequence[tuple[str, str, str]], measures: RowMeasures) -> list[str]:
    """Return the ids of removed copies whose text is kept in another split of the source."""
    if not copies:
        return []
    keys = text_keys([text for _, text, _ in copies]).tolist()
    rows = np.flatnonzero((measures.sides_N != NONE) & np.isin(measures.keys_N, keys))
    kept = dict(zip(measures.keys_N[rows].tolist(), measures.sides_N[rows].tolist(), strict=True))
    return [
        name
        for (name, _, written), key in zip(copies, keys, strict=True)
        if key in kept and split_name(written) != SPLITS[kept[key]]
    ]


def _foreign(texts: MeasuredTexts, cfg: ValidateConfig) -> Rows:
    # Only what is clear is named, however long the text is.
    return np.array(
        [row for row, one in texts.languages.items() if one.is_clear and one.code != cfg.language], np.int64
    )


def _stale(seconds_N: Seconds) -> Rows:
    known_N = ~np.isnan(seconds_N)
    if known_N.sum() < MIN_TIMES:
        return np.zeros(0, np.int64)
    low, high = np.quantile(seconds_N[known_N], MIDDLE)
    room = max(STALE_AFTER.total_seconds(), STALE_RANGES * (high - low))
    return np.flatnonzero((seconds_N < low - room) | (seconds_N > high + room))


def length_shifts(measures: RowMeasures, limit: float) -> Mapping[str, Rows]:
    """Return the texts that are longer or shorter than nearly all of train, by shifted split.

    The lengths differ where their Kolmogorov-Smirnov distance from those of train exceeds both `limit` and
    what chance explains at 1 %. Splits are those that the sources bring.
    """
    rows_of = {split: np.flatnonzero(measures.sides_N == side) for side, split in enumerate(SPLITS)}
    shifts: dict[str, Rows] = {}
    expected = measures.words_N[rows_of["train"]]
    if not len(expected):
        return shifts
    for split, rows in sorted(rows_of.items()):
        found = measures.words_N[rows]
        if split == "train" or not len(found):
            continue
        if ks_distance(expected, found) > max(limit, ks_noise(len(expected), len(found))):
            outside = rows[_outside(found, expected)]
            # The whole split, where no single text stands out.
            shifts[split] = outside if len(outside) else rows
    return shifts


def _outside(found: Words, expected: Words) -> NDArray[np.bool_]:
    low, high = np.quantile(expected, (1 - OVER_LENGTH, OVER_LENGTH))
    is_outside: NDArray[np.bool_] = found > high if found.mean() > expected.mean() else found < low
    return is_outside


def ks_distance(one: Numbers, other: Numbers) -> float:
    """Return the Kolmogorov-Smirnov distance of two samples, in [0, 1]."""
    one_N, other_M = np.sort(one), np.sort(other)
    values_K = np.concatenate([one_N, other_M])
    one_K = np.searchsorted(one_N, values_K, side="right") / len(one_N)
    other_K = np.searchsorted(other_M, values_K, side="right") / len(other_M)
    return float(np.abs(one_K - other_K).max())


def ks_noise(one: int, other: int) -> float:
    """Return the distance that two samples of these sizes exceed by chance in 1 % of cases."""
    return KS_FACTOR * float(np.sqrt((one + other) / (one * other)))
