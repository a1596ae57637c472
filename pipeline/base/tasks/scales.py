"""Whether labels are a scale: numbers that rise or fall, or words whose order is known."""

import itertools
import re
from collections.abc import Sequence
from typing import Protocol

from pipeline.base.labels import label_key

FEWEST = 3
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?")
NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
# Words that usually name a text outside of every scale.
NO_PLACE = frozenset((
    "unknown", "other", "others", "unrated", "not rated", "not applicable", "irrelevant", "unclear",
    "no answer", "don't know", "off-topic", "off topic", "spam",
))  # fmt: skip
# Each from its lower end up; labels may leave steps out. Words on one step are other names of it.
WORD_SCALES: tuple[tuple[str, ...], ...] = (
    (
        "strong negative|strongly negative|extremely negative", "very negative|most negative", "negative|neg",
        "slightly negative|somewhat negative|weakly negative|mostly negative", "neutral|neu|mixed",
        "slightly positive|somewhat positive|weakly positive|mostly positive", "positive|pos",
        "very positive|most positive", "strong positive|strongly positive|extremely positive",
    ),
    ("terrible|awful|very poor", "very bad", "bad|poor", "so so|ok|okay|fair|fine|average|mediocre|neutral",
     "good", "very good", "great", "excellent|outstanding|perfect"),
    ("none|no", "very low|minimal|very mild", "low|mild|minor|small", "medium|moderate|mid|middle",
     "high|severe|major|large|strong", "very high|very severe|extreme|critical"),
    ("strongly disagree|completely disagree", "disagree", "slightly disagree|somewhat disagree",
     "neither agree nor disagree|neither|neutral|undecided", "slightly agree|somewhat agree", "agree",
     "strongly agree|completely agree"),
    ("very unsatisfied|very dissatisfied", "unsatisfied|dissatisfied", "neutral|neither", "satisfied",
     "very satisfied"),
    ("very unlikely", "unlikely", "neutral|possible", "likely", "very likely"),
    ("never", "rarely|seldom", "sometimes|occasionally", "often|frequently", "very often|usually", "always"),
)  # fmt: skip


class ScaleSettings(Protocol):
    """Describe the settings of a scale."""

    @property
    def in_order(self) -> bool:
        """Return whether somebody says that the labels are in order, whatever their names."""


def scale_fault(labels: Sequence[str], settings: ScaleSettings | None = None) -> str | None:
    """Return why labels are no scale from its lower end up, or down; None where they are one.

    Labels with a number each must rise or fall. Words must be steps of one of WORD_SCALES, in its order.
    """
    if len(labels) < FEWEST:
        return f"{len(labels)} labels have no order that tells more than they do themselves"
    if settings is not None and settings.in_order:
        return None
    if outside := [label for label in labels if label_key(label) in NO_PLACE]:
        return f"{outside[0]!r} has no place on a scale"
    places = [_number(label) for label in labels]
    with_number = [label for label, place in zip(labels, places, strict=True) if place is not None]
    if not with_number:
        return _fault_of_words(labels)
    if len(with_number) < len(labels):
        without = next(label for label in labels if label not in with_number)
        return f"{with_number[0]!r} holds a number, and {without!r} holds none"
    return _fault_of_order(labels, [place for place in places if place is not None])


def _number(label: str) -> float | None:
    key = label_key(label)
    if match := NUMBER.search(key):
        return float(match[0])
    words = [word for word in re.findall(r"[a-z]+", key) if word in NUMBER_WORDS]
    return float(NUMBER_WORDS.index(words[0])) if words else None


def _fault_of_words(labels: Sequence[str]) -> str | None:
    for scale in WORD_SCALES:
        place_of = {word: place for place, words in enumerate(scale) for word in words.split("|")}
        places = [place_of.get(label_key(label)) for label in labels]
        if None not in places:
            return _fault_of_order(labels, [float(place) for place in places if place is not None])
    return f"no order of {', '.join(labels)} is known"


def _fault_of_order(labels: Sequence[str], places: Sequence[float]) -> str | None:
    steps = [after - before for before, after in itertools.pairwise(places)]
    if all(step > 0 for step in steps) or all(step < 0 for step in steps):
        return None
    if len(set(places)) < len(places):
        same = next(place for place in places if list(places).count(place) > 1)
        names = [label for label, place in zip(labels, places, strict=True) if place == same]
        return f"{' and '.join(map(repr, names[:2]))} have the same place on it"
    ordered = [label for _, label in sorted(zip(places, labels, strict=True))]
    return f"they are out of order, which is {', '.join(ordered)}"
