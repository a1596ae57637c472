"""What is odd about texts that may be used all the same: each kind with its count and an example's id."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

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
    records: Sequence[TextRecord], rejected: Sequence[tuple[TextRecord, str]], cfg: ValidateConfig
) -> list[Finding]:
    """Return what is odd about the clean texts, and the reasons of the quarantined ones; only what occurs."""
    reasons = dict.fromkeys(reason for _, reason in rejected)
    found: list[Finding] = [_of(reason, (r.id for r, why in rejected if why == reason)) for reason in reasons]
    shifts = length_shifts(records, cfg.max_shift)
    found += [
        _of("duplicate across splits", _cross_split_duplicates(records, rejected)),
        _of("foreign language", _foreign(records, cfg)),
        _of("stale time", _stale(records)),
        *(_of(f"length shift in {split}", ids) for split, ids in shifts.items()),
    ]
    return [finding for finding in found if finding.count]


def _of(kind: str, ids: Iterable[str]) -> Finding:
    listed = list(ids)
    return Finding(kind, len(listed), listed[0] if listed else "")


def _cross_split_duplicates(
    records: Sequence[TextRecord], rejected: Sequence[tuple[TextRecord, str]]
) -> Iterable[str]:
    copies = [record for record, reason in rejected if reason == DUPLICATE and record.split]
    keys = {duplicate_key(record.text) for record in copies}
    kept = {duplicate_key(r.text): r.split for r in records if r.split and duplicate_key(r.text) in keys}
    return (r.id for r in copies if kept.get(duplicate_key(r.text), r.split) != r.split)


def _foreign(records: Sequence[TextRecord], cfg: ValidateConfig) -> Iterable[str]:
    for row in draw([record.id for record in records], cfg.sample_texts):
        # Only what is clear is named, however long the text is.
        language = detect_language(records[row].text, min_words=10**9)
        if language not in (UNDETERMINED, cfg.language):
            yield records[row].id


def _stale(records: Sequence[TextRecord]) -> Iterable[str]:
    timed = [(record.id, seconds) for record in records if (seconds := _seconds(record.time)) is not None]
    if len(timed) < MIN_TIMES:
        return ()
    low, high = np.quantile([seconds for _, seconds in timed], MIDDLE)
    room = max(STALE_AFTER.total_seconds(), STALE_RANGES * (high - low))
    return (one for one, seconds in timed if not low - room <= seconds <= high + room)


def _seconds(text: str) -> float | None:
    try:
        return parse_time(text).timestamp()
    except (ValueError, OverflowError):
        return None


def length_shifts(records: Sequence[TextRecord], limit: float) -> Mapping[str, list[str]]:
    """Return the ids of the texts that are longer or shorter than nearly all of train, by shifted split.

    The lengths differ where their Kolmogorov-Smirnov distance from those of train exceeds both `limit` and
    what chance explains at 1 %. Splits are those that the sources bring.
    """
    lengths: dict[SplitName, list[tuple[int, str]]] = {}
    for record in records:
        if split := split_name(record.split):
            lengths.setdefault(split, []).append((count_words(record.text), record.id))
    train = lengths.pop("train", [])
    shifts: dict[str, list[str]] = {}
    for split, rows in sorted(lengths.items()):
        expected, found = [n for n, _ in train], [n for n, _ in rows]
        if train and ks_distance(expected, found) > max(limit, ks_noise(len(expected), len(found))):
            shifts[split] = _outside(rows, expected)
    return shifts


def _outside(rows: Sequence[tuple[int, str]], expected: Sequence[int]) -> list[str]:
    low, high = np.quantile(expected, (1 - OVER_LENGTH, OVER_LENGTH))
    longer = np.mean([number for number, _ in rows]) > np.mean(expected)
    outside = [one for number, one in rows if (number > high if longer else number < low)]
    # The whole split, where no single text stands out.
    return outside or [one for _, one in rows]


def ks_distance(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the Kolmogorov-Smirnov distance of two samples, in [0, 1]."""
    one_N, other_M = np.sort(one), np.sort(other)
    values_K = np.concatenate([one_N, other_M])
    one_K = np.searchsorted(one_N, values_K, side="right") / len(one_N)
    other_K = np.searchsorted(other_M, values_K, side="right") / len(other_M)
    return float(np.abs(one_K - other_K).max())


def ks_noise(one: int, other: int) -> float:
    """Return the distance that two samples of these sizes exceed by chance in 1 % of cases."""
    return KS_FACTOR * float(np.sqrt((one + other) / (one * other)))
