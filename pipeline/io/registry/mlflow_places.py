"""The embedded MLflow of a workspace that was moved or copied: its absolute places follow.

MLflow stores the absolute place of every artifact. Where that of our experiment is not beside the database
any more, new models would be written at the old place, and old ones read from there.
"""

import contextlib
import itertools
import sqlite3
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pipeline.base import logs
from pipeline.base.errors import Fault, Unreachable
from pipeline.io.registry.mlflow_tracking import ARTIFACTS, CONNECT_SECONDS

# Every column of MLflow's schema that holds the place of an artifact.
PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def follow_move(database: Path) -> int:
    """Rewrite the places in an embedded MLflow that lie beside where it was; return how many.

    All are rewritten in one transaction. Places elsewhere, as a bucket, stay. Raises Fault where the database
    cannot be written.
    """
    if not database.is_file():
        return 0
    here = database.resolve().parent.as_uri()
    try:
        with contextlib.closing(_open(database)) as connection:
            if _old_home(connection, here) is None:
                return 0
            connection.execute("BEGIN IMMEDIATE")
            # Another process may have rewritten them while this one waited.
            before = _old_home(connection, here)
            count = _rewrite(connection, before, here) if before else 0
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        if "readonly" in str(error):
            raise Fault(
                f"The workspace of {database} was moved, and its model registry cannot follow: the file "
                "cannot be written. Make it writable, then type the same again."
            ) from error
        raise Unreachable(
            f"The model registry at {database} cannot be read: {error}. Restore the file from a backup."
        ) from error
    if before:
        logs.get("registry").warning("registry.moved", before=before, now=here, places=count)
    return count


def _open(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(database, timeout=CONNECT_SECONDS, isolation_level=None)


def _old_home(connection: sqlite3.Connection, here: str) -> str | None:
    """Return the address of the folder that the database was in, None where it is still in it."""
    tables = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchone()
    if not tables:
        return None
    rows = connection.execute(
        "SELECT artifact_location FROM experiments WHERE artifact_location LIKE ?", (f"file://%/{ARTIFACTS}",)
    )
    homes = [str(location).removesuffix(f"/{ARTIFACTS}") for (location,) in rows]
    return next((home for home in homes if home != here), None)


def _rewrite(connection: sqlite3.Connection, before: str, here: str) -> int:
    pairs = [(before, here)]
    if before.endswith("/.tonewatch") and here.endswith("/.tonewatch"):
        # MLflow's default experiment lies in the folder in which the first command was typed.
        roots = (before.removesuffix("/.tonewatch"), here.removesuffix("/.tonewatch"))
        pairs += [roots, (url2pathname(urlsplit(roots[0]).path), url2pathname(urlsplit(roots[1]).path))]
    count = 0
    for (table, column), (old, new) in itertools.product(PLACES, pairs):
        cursor = connection.execute(
            f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
            (new, len(old) + 1, len(old) + 1, f"{old}/"),
        )
        count += cursor.rowcount
    return count
