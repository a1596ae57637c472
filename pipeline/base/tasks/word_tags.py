"""Entities as a tag for each word, as CoNLL files have them: `B-place I-place O`, in any of its dialects."""

import re
from collections.abc import Sequence

from pipeline.base.errors import DataRejected
from pipeline.base.tasks.spans import Span

OUTSIDE = "O"
# B or S or U begins an entity, E or L ends one; I goes on with one of its label, or begins it.
TAG = re.compile(r"(?P<place>[BIESLU])-(?P<label>\S+)")


def read_tags(cell: str) -> list[str] | None:
    """Return the tags of a cell, None where it holds anything else."""
    tags = cell.split()
    return tags if tags and all(tag == OUTSIDE or TAG.fullmatch(tag) for tag in tags) else None


def word_entities(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """Return the entities of tags: the first word, the word behind the last one, and the label."""
    entities: list[tuple[int, int, str]] = []
    is_open = False
    for word, tag in enumerate(tags):
        match = TAG.fullmatch(tag)
        if match is None:
            is_open = False
            continue
        place, label = match["place"], match["label"]
        if is_open and place in "IEL" and entities[-1][2] == label:
            entities[-1] = (entities[-1][0], word + 1, label)
        else:
            entities.append((word, word + 1, label))
        is_open = place in "BI"
    return entities


def spans_of_words(tags: Sequence[str], text: str) -> tuple[Span, ...]:
    """Return the entities of a text whose words have these tags; blanks separate words.

    Raises DataRejected where there are more or fewer words than tags.
    """
    words = list(re.finditer(r"\S+", text))
    if len(words) != len(tags):
        raise DataRejected(f"{len(tags)} tags for {len(words)} words")
    return tuple(
        Span(words[first].start(), words[behind - 1].end(), label)
        for first, behind, label in word_entities(tags)
    )
