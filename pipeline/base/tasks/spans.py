"""Spans: the entities of a text, each from a start up to an end in characters, with a label.

The answer is a JSON list of them, in order: [{"start": 0, "end": 4, "label": "place"}].
"""

import difflib
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from pipeline.base.errors import DataRejected


class Span(NamedTuple):
    """Hold an entity: the characters from `start` up to `end`, without it, and its label."""

    start: int
    end: int
    label: str


def dump_spans(spans: Iterable[Span]) -> str:
    """Return the answer that holds these spans."""
    return json.dumps([span._asdict() for span in sorted(spans)], ensure_ascii=False)


def load_spans(answer: str) -> tuple[Span, ...]:
    """Return the spans of an answer; objects with start, end and label, or lists of the three.

    Raises DataRejected that says what is wrong, and not where.
    """
    try:
        found = json.loads(answer)
    except ValueError as error:
        raise DataRejected(f"{answer[:60]!r} is no JSON ({error})") from error
    if not isinstance(found, list):
        raise DataRejected(f"{answer[:60]!r} is no list of spans")
    return tuple(sorted(_span(one) for one in found))


def _span(one: Any) -> Span:
    values = [one.get(name) for name in Span._fields] if isinstance(one, dict) else one
    if (
        not isinstance(values, list)
        or len(values) != len(Span._fields)
        or any(not isinstance(place, int) or isinstance(place, bool) for place in values[:2])
        or not isinstance(values[2], str)
    ):
        raise DataRejected(f"{json.dumps(one)[:60]} is no span: write start, end and label")
    return Span(*values)


def span_fault(spans: Sequence[Span], length: int, labels: Sequence[str]) -> str | None:
    """Return why spans do not fit a text of so many characters, None where they do; they are in order."""
    before = Span(0, 0, "")
    for span in spans:
        shown = f"the span {span.start} to {span.end} ({span.label})"
        if span.label not in labels:
            return f"{shown} has a label that collect.labels does not name: {', '.join(labels)}"
        if span.start >= span.end:
            return f"{shown} ends where it starts, or before"
        if span.start < 0 or span.end > length:
            return f"{shown} lies outside its text of {length} characters"
        if span.start < before.end:
            return f"{shown} overlaps with the one from {before.start} to {before.end} ({before.label})"
        before = span
    return None


def placed(span: Span, quote: str, text: str) -> Span | None:
    """Return a span that a tool wrote, in characters (code points) of a text.

    Tools in a browser count UTF-16 units, of which an emoji has two. A span without a quote stays, and None
    is returned where the quote is not there.
    """
    if not quote or text[span.start : span.end] == quote:
        return span
    units = text.encode("utf-16-le", "surrogatepass")
    start, end = (len(units[: 2 * place].decode("utf-16-le", "ignore")) for place in span[:2])
    return Span(start, end, span.label) if text[start:end] == quote else None


def moved_spans(answer: str, text: str, changed: str) -> str:
    """Return the answer for a text whose wording changed: spans of what is left of theirs.

    Cleaning changes few characters, so both texts are aligned. A span of which nothing is left is dropped.
    """
    if text == changed:
        return answer
    places = _places(text, changed)
    # By its first and its last character: what is inserted beside an entity is no part of it.
    moved = [
        Span(places[start][0], places[end - 1][1], label)
        for start, end, label in load_spans(answer)
        if start < end <= len(places)
    ]
    trimmed = [_trimmed(span, changed) for span in moved]
    return dump_spans(span for span in trimmed if span.start < span.end)


def _places(text: str, changed: str) -> list[tuple[int, int]]:
    """Return for each character where it starts and ends in the changed text; what was replaced is one."""
    places: list[tuple[int, int]] = []
    matcher = difflib.SequenceMatcher(None, text, changed, autojunk=False)
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        if kind == "equal":
            places += [(place, place + 1) for place in range(new_start, new_end)]
        else:
            places += [(new_start, new_end)] * (end - start)
    return places


def _trimmed(span: Span, text: str) -> Span:
    start, end = span.start, span.end
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return Span(start, end, span.label)
