"""Slices of the test set: texts of a source, of a language, of a length, negated or not."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from pipeline.base.config import EvaluateConfig


def slice_members(
    texts: Sequence[str], sources: Sequence[str], langs: Sequence[str], cfg: EvaluateConfig
) -> dict[str, list[int]]:
    """Return the rows of each slice, such as `source=movie`, `lang=en`, `length=9-16`, `negated=yes`.

    Slices of fewer than `evaluate.min_slice_texts` texts are left out.
    """
    assert len(texts) == len(sources) == len(langs)
    bands = _bands(cfg.length_bands)
    lengths = [_band(text, cfg.length_bands) for text in texts]
    dimensions = [
        ("source", sources, sorted(set(sources))),
        ("lang", langs, sorted(set(langs))),
        ("length", [bands[number] for number in lengths], bands),
        *_negated(texts, cfg.negations),
    ]
    slices = {
        f"{name}={value}": rows for name, values, order in dimensions for value, rows in _rows(values, order)
    }
    return {name: rows for name, rows in slices.items() if len(rows) >= cfg.min_slice_texts}


def _rows(values: Sequence[str], order: Iterable[str]) -> list[tuple[str, list[int]]]:
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, value in enumerate(values):
        rows[value].append(row)
    return [(value, rows[value]) for value in order]


def _bands(ends: Sequence[int]) -> list[str]:
    starts = [1, *(end + 1 for end in ends)]
    return [*(f"{start}-{end}" for start, end in zip(starts, ends, strict=False)), f"{starts[-1]}+"]


def _band(text: str, ends: Sequence[int]) -> int:
    words = len(text.split())
    return sum(words > end for end in ends)


def _negated(
    texts: Sequence[str], negations: Sequence[str]
) -> Iterable[tuple[str, list[str], tuple[str, str]]]:
    if not negations:
        return
    # An entry with an apostrophe is an ending: "n't" matches "isn't" and, in tokenized texts, itself.
    words = [re.escape(entry) for entry in negations if "'" not in entry]
    endings = [re.escape(entry) for entry in negations if "'" in entry]
    any_word = [rf"(?<!\w)(?:{'|'.join(words)})"] if words else []
    pattern = re.compile(rf"(?:{'|'.join([*any_word, *endings])})(?!\w)", re.IGNORECASE)
    yield (
        "negated",
        ["yes" if pattern.search(text.replace("’", "'")) else "no" for text in texts],
        ("yes", "no"),
    )
