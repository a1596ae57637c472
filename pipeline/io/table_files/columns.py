"""Columns that params.yaml maps and a source does not have."""

from pipeline.base.errors import DataRejected

COLUMNS_LISTED = 30
# More of a name is no name but somebody's text.
NAME_CHARACTERS = 40


def no_column(column: str, field: str, present: list[str], where: str) -> DataRejected:
    """Return the error for a mapped column that no row has; `present` are the columns there are."""
    names = [name for name in present if name]
    shown = ", ".join(_shown(name) for name in names[:COLUMNS_LISTED])
    return DataRejected(
        f"{where} has no column {column!r} (found: {shown}). "
        f"Name the column with the {field} in `columns.{field}` of this source in params.yaml."
    )


def _shown(name: str) -> str:
    return repr(name) if len(name) <= NAME_CHARACTERS else f"{name[:12]!r}… ({len(name)} characters)"
