"""What validation needs of all texts: a few numbers of each, and a sample. Legend: N texts."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pipeline.base.records import SPLITS, TextRecord
from pipeline.base.split_names import split_name
from pipeline.base.times import parse_time
from pipeline.core.clean.duplicates import duplicate_key
from pipeline.core.clean.growing import GrowingArray
from pipeline.core.clean.language import DetectedLanguage
from pipeline.core.clean.text_keys import keys_of
from pipeline.core.clean.words import count_words
from pipeline.core.validate.row_measures import has_residue

FILLED = ("id", "text", "label", "source", "group", "lang", "licence")
# What is measured of a record.
MEASURED = (*FILLED, "time", "split")
NONE = -1
FIELDS: Mapping[str, DTypeLike] = {
    "ids_N": np.uint64,
    "empty_N": np.uint8,
    "words_N": np.int32,
    "residue_N": bool,
    "label_numbers_N": np.int32,
    "seconds_N": np.float64,
    "sides_N": np.int8,
    "keys_N": np.uint64,
}


@dataclass(frozen=True)
class RowMeasures:
    """Hold the measures of texts.

    `ids_N` holds hashes of the ids, `empty_N` a bit for each field of FILLED that is empty, `seconds_N` the
    times since 1970, NaN where there is none. `label_numbers_N` holds places in `labels`, `sides_N` places in
    SPLITS of the split that the source brings, both NONE without one. `keys_N` holds keys of the texts that
    have such a split, else 0.
    """

    labels: Sequence[str]
    ids_N: NDArray[np.uint64]
    empty_N: NDArray[np.uint8]
    words_N: NDArray[np.int32]
    residue_N: NDArray[np.bool_]
    label_numbers_N: NDArray[np.int32]
    seconds_N: NDArray[np.float64]
    sides_N: NDArray[np.int8]
    keys_N: NDArray[np.uint64]

    def is_empty(self, name: str) -> NDArray[np.bool_]:
        """Return for each text whether this field of it is empty."""
        return (self.empty_N >> FILLED.index(name)) & 1 > 0


@dataclass(frozen=True)
class MeasuredTexts:
    """Hold the measures of all texts, a sample of them by their rows with its languages, and ids by row."""

    measures: RowMeasures
    sample: Mapping[int, TextRecord]
    languages: Mapping[int, DetectedLanguage]
    id_of: Callable[[int], str]

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.measures.ids_N)


def measure_rows(columns: Mapping[str, Sequence[str]]) -> RowMeasures:
    """Measure texts, given by the columns of MEASURED; it can be called in another process."""
    texts, count = columns["text"], len(columns["text"])
    empty_N, labels = np.zeros(count, dtype=np.uint8), dict[str, int]()
    for bit, name in enumerate(FILLED):
        if not all(columns[name]):
            empty_N |= np.array([not cell for cell in columns[name]], np.uint8) << np.uint8(bit)
    for label in filter(None, columns["label"]):
        labels.setdefault(label, len(labels))
    sides = {name: _side(name) for name in set(columns["split"])}
    keys_N = np.zeros(count, np.uint64)
    sides_N = np.fromiter((sides[name] for name in columns["split"]), np.int8, count)
    rows = np.flatnonzero(sides_N != NONE)
    keys_N[rows] = text_keys([texts[row] for row in rows.tolist()])
    return RowMeasures(
        labels=list(labels),
        ids_N=hash_ids(columns["id"]),
        empty_N=empty_N,
        words_N=np.fromiter(map(count_words, texts), np.int32, count),
        residue_N=np.fromiter(map(has_residue, texts), bool, count),
        label_numbers_N=np.fromiter((labels.get(one, NONE) for one in columns["label"]), np.int32, count),
        seconds_N=np.fromiter(map(_seconds, columns["time"]), np.float64, count),
        sides_N=sides_N,
        keys_N=keys_N,
    )


def hash_ids(ids: Sequence[str]) -> NDArray[np.uint64]:
    """Return a hash of each id (BLAKE2b); a sample are the texts with the smallest ones."""
    digests = b"".join([hashlib.blake2b(one.encode(), digest_size=8).digest() for one in ids])
    return np.frombuffer(digests, ">u8").astype(np.uint64)


def text_keys(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Return a key of each text that its copies share."""
    return keys_of(map(duplicate_key, texts))[:, 0]


def drawn_rows(ids_N: NDArray[np.uint64], count: int) -> list[int]:
    """Return the rows of at most so many texts, whatever their order: those with the smallest hashes."""
    if len(ids_N) <= count:
        return list(range(len(ids_N)))
    if not count:
        return []
    rows = np.flatnonzero(ids_N <= np.partition(ids_N, count - 1)[count - 1])
    return sorted(rows[np.argsort(ids_N[rows], kind="stable")][:count].tolist())


def _side(written: str) -> int:
    side = split_name(written) if written else None
    return SPLITS.index(side) if side else NONE


def _seconds(text: str) -> float:
    try:
        return parse_time(text).timestamp() if text else np.nan
    except (ValueError, OverflowError):
        return np.nan


@dataclass
class GatheredMeasures:
    """Gather the measures of texts that come in batches."""

    columns: Mapping[str, GrowingArray] = field(
        default_factory=lambda: {name: GrowingArray(dtype) for name, dtype in FIELDS.items()}
    )
    labels: dict[str, int] = field(default_factory=dict)

    def add(self, measures: RowMeasures) -> None:
        """Add the measures of a batch."""
        numbers = [self.labels.setdefault(label, len(self.labels)) for label in measures.labels]
        for name, column in self.columns.items():
            values = getattr(measures, name)
            # The last number stands for a text without a label.
            column.extend(np.array([*numbers, NONE])[values] if name == "label_numbers_N" else values)

    def measures(self) -> RowMeasures:
        """Return the measures of all texts."""
        arrays = {name: column.array() for name, column in self.columns.items()}
        return RowMeasures(labels=list(self.labels), **arrays)
