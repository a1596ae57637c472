"""The column of entities: places in the text as JSON, or a tag for each of its words."""

from collections.abc import Mapping

from pipeline.base.errors import DataRejected
from pipeline.base.tasks.spans import load_spans
from pipeline.base.tasks.word_tags import read_tags, word_entities
from pipeline.core.inspection.profiles import ColumnProfile, Roles

MIN_SHARE = 0.95


def find_spans(free: Mapping[str, ColumnProfile], roles: Roles) -> str:
    """Return the column whose cells are lists of entities, at least one of them not empty."""
    for name, one in free.items():
        labels = {value: entity_labels(value) for value in one.values}
        readable = sum(number for value, number in one.values.items() if labels[value] is not None)
        if any(labels.values()) and readable >= MIN_SHARE * one.cells:
            roles.doubts.append(
                f"Column {name} holds entities: the task is `token_labels`. A text with an empty cell is set "
                "aside; `[]` says that it has none."
            )
            return name
    return ""


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
