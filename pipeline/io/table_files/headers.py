"""Whether the first row of a table names its columns."""

import re
from collections.abc import Sequence

NAMES = {
    "text", "texts", "label", "labels", "id", "class", "target", "sentiment", "review", "reviews",
    "comment", "comments", "rating", "stars", "score", "sentence", "tweet", "body", "content",
    "message", "title", "date", "time", "timestamp", "user", "author", "lang", "language", "topic",
    "source", "category", "polarity", "emotion", "split", "aspect", "index", "name", "subject",
    "created_at",
}  # fmt: skip
NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?([eE][-+]?\d+)?%?$")
DATE = re.compile(r"(\d{4}-\d\d-\d\d|\d\d?[./]\d\d?[./]\d{2,4}|\w{3},? \w{3} \d\d|\w{3}, \d\d? \w{3} )")


def column_names(width: int) -> tuple[str, ...]:
    """Return the names of columns that have none: column1, column2 and so on."""
    return tuple(f"column{place}" for place in range(1, width + 1))


def clean_names(row: Sequence[str]) -> tuple[str, ...]:
    """Return the cells of a header without blanks around them and without a byte order mark."""
    return tuple(cell.strip().lstrip("\ufeff") for cell in row)


def have_row_numbers(rows: Sequence[Sequence[str]], width: int) -> bool:
    """Return whether rows begin with a number or name of their own, which the header does not name."""
    keys = [row[0] for row in rows if len(row) == width]
    return len(keys) > 2 and len(keys) >= 0.9 * len(rows) and len(set(keys)) == len(keys)


def is_header(first: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Return whether a first row names the columns of the others, by what they hold.

    Where nothing shows it, it does: most tables have a header.
    """
    cells = [cell.strip() for cell in first]
    if not others:
        return True
    votes = 0
    for place, cell in enumerate(cells):
        column = [row[place].strip() for row in others if len(row) > place]
        column = [value for value in column if value]
        if not column:
            continue
        votes += _vote(cell, column)
    filled = [cell for cell in cells if cell]
    if len(set(filled)) < len(filled) and not any(cell.lower() in NAMES for cell in filled):
        votes -= 2
    return votes >= 0


def _vote(cell: str, column: Sequence[str]) -> int:
    """Return above 0 where a cell names a column, below 0 where it is one of its values."""
    if cell.lower() in NAMES and column.count(cell) <= 0.02 * len(column):
        return 3
    special = NUMBER.match(cell) or DATE.match(cell)
    if special:
        return -3
    if sum(bool(NUMBER.match(value) or DATE.match(value)) for value in column) > 0.9 * len(column):
        return 2 if cell else 0
    if len(column) > 4 and len(set(column)) <= max(20, len(column) // 10) and cell:
        return -2 if cell in column else 1
    words = sum(len(value.split()) for value in column) / len(column)
    if words >= 3 and cell:
        return 1 if len(cell.split()) <= 2 and len(cell) <= 40 else -2
    return 0
