"""The labels of a feed's entries: a table with the columns id and label, which people write."""

from pathlib import Path

from pipeline.base.config import FeedSource
from pipeline.base.config.workspace import user_path
from pipeline.base.errors import DataRejected, SourceUnreachable
from pipeline.base.records import Unreadable
from pipeline.io.table_files.opening import open_table
from pipeline.io.table_files.shape import TableRequest
from pipeline.io.web.keeping import Keeping

COLUMNS = {"id": "id", "label": "label"}


def read_feed_labels(source: FeedSource, root: Path, keeping: Keeping, *, max_bytes: int) -> dict[str, str]:
    """Return the label of each entry by its id, as `news:ID`; none where the source names no table.

    Raises SourceUnreachable for a missing file, DataRejected for one without these columns, or with two
    labels for one id.
    """
    if source.labels_path is None:
        return {}
    path = _resolved(source, root)
    request = TableRequest(path, f"source {source.name} ({path})", max_bytes, mapped=COLUMNS)
    labels: dict[str, str] = {}
    with open_table(request) as table:
        for row in table.rows:
            if isinstance(row, Unreadable):
                raise DataRejected(f"{request.where}, line {row.line}: {row.reason}. Correct that line.")
            for column in COLUMNS:
                if column not in row:
                    present = ", ".join(map(repr, row))
                    raise DataRejected(
                        f"{request.where} has no column {column!r} (found: {present}). Write a table with "
                        "the columns id and label."
                    )
            name = f"{source.name}:{keeping.person(row['id'].strip().removeprefix(f'{source.name}:'))}"
            label = row["label"].strip()
            if label and labels.setdefault(name, label) != label:
                raise DataRejected(
                    f"{request.where} has two labels for the id {row['id']!r}: {labels[name]!r}, {label!r}. "
                    "Remove one of them."
                )
    return labels


def _resolved(source: FeedSource, root: Path) -> Path:
    written = user_path(str(source.labels_path))
    path = written if written.is_absolute() else (root / written).resolve()
    if not written.is_absolute() and not path.is_relative_to(root.resolve()):
        raise DataRejected(
            f"source {source.name}: {source.labels_path!r} leads out of the workspace. "
            "Write an absolute path to read it there."
        )
    if not path.is_file():
        raise SourceUnreachable(
            f"source {source.name}: {path} does not exist. Write a table with the columns id and label "
            "there, or correct `labels_path` of this source in params.yaml."
        )
    return path
