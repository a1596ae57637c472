"""What is odd about texts that may be used all the same: each kind with its count and an example's id."""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import ValidateConfig
from pipeline.base.data_account import DUPLICATE
from pipeline.base.records import SplitName, TextRecord
from pipeline.base.split_names import split_name
from pipeline.base.times import parse_time
from pipeline.core.clean.duplicates import duplicate_key
from pipeline.core.clean.language import UNDETERMINED, detect_language
from pipeline.core.clean.words import count_words
from pipeline.core.validate.row_measures import draw

# A time is stale that is further from the middle 80 % of all times than a year and three times their range.
STALE_AFTER, STALE_RANGES, MIDDLE = timedelta(days=365), 3, (0.1, 0.9)
MIN_TIMES = 10
# Of the two-sample Kolmogorov-Smirnov test at 1 %: sqrt(-ln(0.01 / 2) / 2).
KS_FACTOR = 1.628
OVER_LENGTH = 0.99
Numbers = Sequence[float] | NDArray[np.float64]


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
    records: Iterable[TextRecord], rejected: Iterable[tuple[TextRecord, str]], cfg: ValidateConfig
) -> list[Finding]:
    """Return what is odd about the clean texts, and the reasons of the quarantined ones; only what occurs.

    Both are passed over in batches where they are tables.
    """
    reasons: dict[str, list[str]] = {}
    numbers: Counter[str] = Counter()
    copies: list[tuple[str, int, str]] = []
    for record, reason in rejected:
        numbers[reason] += 1
        reasons.setdefault(reason, [record.id])
        if reason == DUPLICATE and record.split:
            copies.append((record.id, hash(duplicate_key(record.text)), record.split))
    wanted, kept = {key for _, key, _ in copies}, dict[int, str]()
    times, lengths = _Column(), dict[SplitName, _Column]()
    for record in records:
        if (seconds := _seconds(record.time)) is not None:
            times.add(seconds, record.id)
        if split := split_name(record.split):
            lengths.setdefault(split, _Column()).add(count_words(record.text), record.id)
            if wanted and (key := hash(duplicate_key(record.text))) in wanted:
                kept[key] = record.split
    found = [Finding(reason, numbers[reason], ids[0]) for reason, ids in reasons.items()]
    found += [
        _of("duplicate across splits", (one for one, key, side in copies if kept.get(key, side) != side)),
        _of("foreign language", _foreign(draw(records, cfg.sample_texts).values(), cfg)),
        _of("stale time", _stale(times)),
        *(
            _of(f"length shift in {split}", ids)
            for split, ids in length_shifts(lengths, cfg.max_shift).items()
        ),
    ]
    return [finding for finding in found if finding.count]


class _Column:
    """Hold a number of each text, and the ids, one after the other."""

    def __init__(self) -> None:
        self._numbers, self._ids, self._ends = array("d"), bytearray(), array("q", [0])

    def add(self, number: float, name: str) -> None:
        self._numbers.append(number)
        self._ids += name.encode()
        self._ends.append(len(self._ids))

    @property
    def numbers(self) -> NDArray[np.float64]:
        return np.array(self._numbers)

    def ids(self, which: NDArray[np.bool_]) -> list[str]:
        return [
            self._ids[self._ends[row] : self._ends[row + 1]].decode()
            for row in np.flatnonzero(which).tolist()
        ]


def _of(kind: str, ids: Iterable[str]) -> Finding:
    listed = list(ids)
    return Finding(kind, len(listed), listed[0] if listed else "")


def _foreign(sample: Iterable[TextRecord], cfg: ValidateConfig) -> Iterable[str]:
    for record in sample:
        # Only what is clear is named, however long the text is.
        language = detect_language(record.text, min_words=10**9)
        if language not in (UNDETERMINED, cfg.language):
            yield record.id


def _stale(times: _Column) -> Iterable[str]:
    seconds = times.numbers
    if len(seconds) < MIN_TIMES:
        return ()
    low, high = np.quantile(seconds, MIDDLE)
    room = max(STALE_AFTER.total_seconds(), STALE_RANGES * (high - low))
    return times.ids((seconds < low - room) | (seconds > high + room))


def _seconds(text: str) -> float | None:
    try:
        return parse_time(text).timestamp()
    except (ValueError, OverflowError):
        return None


def length_shifts(lengths: Mapping[SplitName, _Column], limit: float) -> Mapping[str, list[str]]:
    """Return the ids of the texts that are longer or shorter than nearly all of train, by shifted split.

    The lengths differ where their Kolmogorov-Smirnov distance from those of train exceeds both `limit` and
    what chance explains at 1 %. Splits are those that the sources bring.
    """
    shifts: dict[str, list[str]] = {}
    if "train" not in lengths:
        return shifts
    expected = lengths["train"].numbers
    for split, column in sorted(lengths.items()):
        found = column.numbers
        noise = ks_noise(len(expected), len(found))
        if split != "train" and ks_distance(expected, found) > max(limit, noise):
            shifts[split] = _outside(column, expected)
    return shifts


def _outside(column: _Column, expected: NDArray[np.float64]) -> list[str]:
    low, high = np.quantile(expected, (1 - OVER_LENGTH, OVER_LENGTH))
    numbers = column.numbers
    outside = column.ids(numbers > high if numbers.mean() > expected.mean() else numbers < low)
    # The whole split, where no single text stands out.
    return outside or column.ids(np.ones(len(numbers), dtype=bool))


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
