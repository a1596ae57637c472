"""The column of entities: places in the text as JSON, or a tag for each of its words."""

from collections.abc import Mapping, Sequence

from pipeline.base.errors import DataRejected
from pipeline.base.tasks.spans import load_spans
from pipeline.base.tasks.word_tags import read_tags, word_entities
from pipeline.core.inspection.profiles import ColumnProfile, Finder, Roles

MIN_SHARE = 0.95


def spans_finder(rows: Sequence[Mapping[str, str]]) -> Finder:
    """Return a finder of the column whose cells are lists of entities, at least one of them not empty."""

    def find(free: Mapping[str, ColumnProfile], roles: Roles) -> str:
        for name, one in free.items():
            if not any(map(entity_labels, one.values)):
                continue
            filled = [(cell, row.get(roles.text, "")) for row in rows if (cell := row.get(name, "").strip())]
            if sum(_fits(*pair) for pair in filled) >= MIN_SHARE * len(filled):
                roles.doubts.append(
                    f"Column {name} holds entities: the task is `token_labels`. A text with an empty cell is "
                    "set aside; `[]` says that it has none."
                )
                return name
        return ""

    return find


def _fits(cell: str, text: str) -> bool:
    """Return whether a cell holds entities of a text: a code such as B-12 is no tag of several words."""
    tags = read_tags(cell)
    return entity_labels(cell) is not None if tags is None else len(tags) == len(text.split())


def entity_labels(cell: str) -> list[str] | None:
    """Return the labels of the entities of a cell, None where it holds no list of entities."""
    if (tags := read_tags(cell)) is not None:
        return [label for _, _, label in word_entities(tags)]
    if not cell.strip().startswith("["):
        return None
    try:
        return [span.label for span in load_spans(cell)]
    except DataRejected:
        return None
