"""A baseline for entities: the names of the training texts, found again where they stand."""

import re
from collections import Counter
from collections.abc import Sequence

from pipeline.base.tasks.spans import Span, dump_spans, load_spans


def predict_by_gazetteer(
    train: Sequence[str], answers: Sequence[str], test: Sequence[str], *, min_count: int
) -> list[str]:
    """Find the names that occur `min_count` times as entities, the longest first, none inside another.

    A name has the label that it most often has in the training texts.
    """
    counts: dict[str, Counter[str]] = {}
    for text, answer in zip(train, answers, strict=True):
        for start, end, label in load_spans(answer):
            counts.setdefault(text[start:end], Counter())[label] += 1
    labels = {
        name: max(sorted(by_label), key=by_label.__getitem__)
        for name, by_label in counts.items()
        if by_label.total() >= min_count
    }
    if not labels:
        return [dump_spans([])] * len(test)
    names = sorted(labels, key=lambda name: (-len(name), name))
    pattern = re.compile("|".join(_whole(name) for name in names))
    return [
        dump_spans(Span(match.start(), match.end(), labels[match[0]]) for match in pattern.finditer(text))
        for text in test
    ]


def _whole(name: str) -> str:
    """Return the pattern of a name that is no part of a longer word, where letters make words."""
    before = r"(?<!\w)" if name[0].isascii() and name[0].isalnum() else ""
    behind = r"(?!\w)" if name[-1].isascii() and name[-1].isalnum() else ""
    return f"{before}{re.escape(name)}{behind}"
