"""The labels of a table: which spellings are one label, their order, and what to rename."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
SEPARATORS = (",", ";", "|", "/", " ")
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
# From negative to positive: results show labels in this order.
SCALE = (
    "strong negative", "very negative", "extremely negative", "terrible", "negative", "neg", "bad", "mixed",
    "neutral", "neu", "none", "ok", "positive", "pos", "good", "very positive", "extremely positive",
    "strong positive", "great",
)  # fmt: skip
SENTIMENTS = {
    *SCALE, "anger", "joy", "sadness", "fear", "surprise", "love", "disgust", "happy", "sad", "angry",
    "toxic", "hate", "offensive", "sarcastic", "irony", "uncertain", "praise", "complaint",
}  # fmt: skip
SHORT = {
    "pos": "positive",
    "neg": "negative",
    "neu": "neutral",
    "neut": "neutral",
    "p": "positive",
    "n": "negative",
}
# What the service itself answers below its threshold.
RESERVED = {"uncertain": "neutral"}
# A label with fewer texts cannot be in three splits.
MIN_TEXTS = 3
NO_LABEL = {"", "nan", "null", "none", "n/a", "na"}


@dataclass(frozen=True)
class LabelPlan:
    """Hold the labels to write into params.yaml, and how the values of a table become one of them.

    `label_map` renames folded values. `spellings` holds the counts of each label's spellings, `left_out` of
    values that are no label (too few texts, or without a value).
    """

    labels: tuple[str, ...]
    counts: Mapping[str, int]
    label_map: Mapping[str, str]
    spellings: Mapping[str, Mapping[str, int]]
    left_out: Mapping[str, int]


def fold(value: str) -> str:
    """Return a label without what writers vary: case, blanks, invisible characters, composition, `1.0`."""
    text = unicodedata.normalize("NFC", value).strip(INVISIBLE + " \t\r\n\u00a0").strip()
    text = unicodedata.normalize("NFC", text.casefold())
    if NUMBER.fullmatch(text) and len(text) < 16:
        number = float(text)
        return str(int(number)) if number.is_integer() else repr(number)
    return text


def looks_like_sentiment(values: Mapping[str, int]) -> bool:
    """Return whether most cells hold words of sentiment, or small whole numbers."""
    total = sum(values.values())
    words = sum(number for value, number in values.items() if fold(value).rstrip(".!") in SENTIMENTS)
    numbers = {fold(value) for value in values}
    scales = ({"0", "1"}, {"-1", "0", "1"}, {"0", "2", "4"}, {"0", "4"}, {"0", "1", "2"}, {"-1", "1"})
    stars = {str(number) for number in range(1, 6)}
    return words > 0.5 * total or numbers in scales or (numbers <= stars and len(numbers) > 3)


def is_stars(labels: Sequence[str]) -> bool:
    """Return whether labels are stars, 1 to 5."""
    return 3 < len(labels) <= 5 and set(labels) <= {"1", "2", "3", "4", "5"}


def separator_of(values: Mapping[str, int]) -> str:
    """Return what separates several labels in one cell, "" where each cell holds one.

    The parts must be labels that also occur alone, so that `very positive` stays one.
    """
    kinds = {fold(value) for value in values}
    for separator in SEPARATORS:
        split = {kind: split_labels(kind, separator) for kind in kinds}
        several = [parts for parts in split.values() if len(parts) > 1]
        alone = {parts[0] for parts in split.values() if len(parts) == 1}
        parts_used = {part for parts in several for part in parts}
        all_parts = parts_used | alone
        if several and len(all_parts) <= 50 and len(parts_used & alone) >= 0.8 * len(parts_used):
            return separator
    return ""


def split_labels(value: str, separator: str) -> list[str]:
    """Return the labels of a cell."""
    return [part for part in (fold(one) for one in value.split(separator)) if part]


def plan_labels(values: Mapping[str, int], *, separator: str = "", only: Sequence[str] = ()) -> LabelPlan:
    """Return the labels that the values of a column mean, and how each value becomes one.

    `only` are labels that a person named: other values are left out.
    """
    counts: Counter[str] = Counter()
    spellings: dict[str, Counter[str]] = {}
    for value, number in values.items():
        for kind in split_labels(value, separator) if separator else [fold(value)]:
            counts[kind] += number
            spellings.setdefault(kind, Counter())[value if not separator else kind] += number
    left_out = {kind: counts.pop(kind) for kind in list(counts) if kind in NO_LABEL and len(counts) > 2}
    names = {fold(one): one for one in only}
    label_map = _renames(counts, names)
    for kind, label in label_map.items():
        counts[fold(label)] += counts.pop(kind)
        spellings.setdefault(fold(label), Counter()).update(spellings.pop(kind))
    least = min(MIN_TEXTS, max(counts.values(), default=0))
    for kind in list(counts):
        if (names and kind not in names) or (not names and counts[kind] < least):
            left_out[kind] = counts.pop(kind)
    labels = in_order(counts) if not names else [fold(one) for one in only]
    shown = {kind: names.get(kind) or _as_written(kind, spellings.get(kind, {})) for kind in labels}
    return LabelPlan(
        labels=tuple(shown.values()),
        counts={shown[kind]: counts[kind] for kind in labels},
        label_map={kind: shown.get(fold(label), label) for kind, label in label_map.items()},
        spellings={shown[kind]: dict(spellings.get(kind, {})) for kind in labels},
        left_out=left_out,
    )


def _renames(counts: Mapping[str, int], names: Mapping[str, str]) -> dict[str, str]:
    """Return which values are another label in short, with punctuation, or as the service's own word."""
    known = set(names) or set(counts)
    renames = {}
    for kind in counts:
        bare = kind.strip(".!?,;:\"'()[] ")
        long = SHORT.get(bare, bare)
        if kind in names:
            continue
        if kind in RESERVED and RESERVED[kind] not in counts:
            renames[kind] = RESERVED[kind]
        elif long != kind and long in known and long not in NO_LABEL:
            renames[kind] = long
    return renames


def in_order(kinds: Iterable[str]) -> list[str]:
    """Return labels from negative to positive, numbers by size, others by the alphabet."""
    names = list(kinds)
    if all(NUMBER.fullmatch(name) for name in names):
        return sorted(names, key=float)
    if any(name in SCALE for name in names):
        return sorted(names, key=lambda name: (SCALE.index(name) if name in SCALE else len(SCALE), name))
    return sorted(names)


def _as_written(kind: str, spellings: Mapping[str, int]) -> str:
    """Return a label as most cells spell it, where that differs from its folded form in case only."""
    best = max(spellings, key=lambda one: (spellings[one], one), default=kind)
    clean = unicodedata.normalize("NFC", best).strip(INVISIBLE + " \t\r\n\u00a0")
    # One label in several cases is written in lower case.
    cases = {unicodedata.normalize("NFC", one).strip(INVISIBLE + " \u00a0") for one in spellings}
    return clean if len(cases) == 1 and fold(clean) == kind and not NUMBER.fullmatch(kind) else kind


def rating_cuts(values: Iterable[float]) -> tuple[float, float]:
    """Return up to where a rating is negative and from where it is positive: an eighth of its range aside."""
    numbers = list(values)
    low, high = min(numbers), max(numbers)
    middle = 0.0 if low < 0 < high else (low + high) / 2
    step = (high - low) / 8 if not low < 0 < high else min(0.5, max(-low, high) / 4)
    return round(middle - step, 3), round(middle + step, 3)
