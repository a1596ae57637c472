"""The tables of the journal: their columns, and their rows as entries."""

import dataclasses
import json
import sqlite3
from typing import Any

from pipeline.base.records import Feedback, JournalEntry

# Columns that every pass over an hour reads come before the text, which may be long. `confidence` is the
# largest probability. The one row of `probe` is rewritten to find out whether the journal can be written.
PREDICTIONS_SCHEMA = """
CREATE TABLE IF NOT EXISTS predictions (
    id INTEGER PRIMARY KEY,
    request TEXT NOT NULL,
    position INTEGER NOT NULL,
    time TEXT NOT NULL,
    release TEXT NOT NULL,
    topic TEXT NOT NULL,
    label TEXT NOT NULL,
    confidence REAL,
    uncertain INTEGER NOT NULL,
    probabilities TEXT NOT NULL,
    digest TEXT NOT NULL,
    data_version TEXT NOT NULL,
    client TEXT NOT NULL,
    lang TEXT NOT NULL,
    words INTEGER NOT NULL,
    unknown REAL NOT NULL,
    text TEXT NOT NULL,
    written TEXT,
    text_id TEXT NOT NULL DEFAULT '',
    more_topics TEXT NOT NULL DEFAULT '',
    cluster TEXT NOT NULL DEFAULT '',
    UNIQUE (request, position)
);
CREATE TABLE IF NOT EXISTS probe (id INTEGER PRIMARY KEY, time TEXT NOT NULL)
"""
# Columns that journals of earlier versions lack.
NEW_COLUMNS = {
    "written": "TEXT",
    "text_id": "TEXT NOT NULL DEFAULT ''",
    "more_topics": "TEXT NOT NULL DEFAULT ''",
    "cluster": "TEXT NOT NULL DEFAULT ''",
}
# Few texts come with a time of their own, so that windows of past hours find late ones at once.
WRITTEN_INDEX = (
    "CREATE INDEX IF NOT EXISTS predictions_by_written ON predictions (written) WHERE written IS NOT NULL"
)
# Texts by when they came, by when they were written, and those that came in a later hour than that.
ARRIVED = "WHERE time >= ? AND time < ?"
# Numbered, since they follow other parameters in some queries.
WITHIN = "WHERE coalesce(written, time) >= ?1 AND coalesce(written, time) < ?2"
LATE = "WHERE written >= ?1 AND written < ?2"
FEEDBACK_SCHEMA = """
CREATE TABLE IF NOT EXISTS feedback (
    request TEXT NOT NULL,
    position INTEGER NOT NULL,
    time TEXT NOT NULL,
    label TEXT NOT NULL,
    client TEXT NOT NULL,
    topic TEXT NOT NULL,
    PRIMARY KEY (request, position)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS feedback_by_time ON feedback (time, request, position)
"""

PREDICTION_COLUMNS = tuple(field.name for field in dataclasses.fields(JournalEntry))
FEEDBACK_COLUMNS = tuple(field.name for field in dataclasses.fields(Feedback))
SELECT_PREDICTIONS = f"SELECT {', '.join(PREDICTION_COLUMNS)} FROM predictions"
SELECT_FEEDBACK = f"SELECT {', '.join(FEEDBACK_COLUMNS)} FROM feedback"

# The sums of probabilities and of their squares, by topic and by the number of the label.


def _insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


_KEPT = " ON CONFLICT (request, position) DO NOTHING"
INSERT_PREDICTION = _insert("predictions", (*PREDICTION_COLUMNS, "confidence")) + _KEPT
INSERT_FEEDBACK = _insert("feedback", FEEDBACK_COLUMNS) + _KEPT
# Earlier versions stored every label of a prediction; the last one stands.
IMPORT_FEEDBACK = (
    _insert("feedback", FEEDBACK_COLUMNS)
    + " ON CONFLICT (request, position) DO UPDATE SET time = excluded.time, label = excluded.label,"
    + " client = excluded.client WHERE excluded.time > feedback.time"
)


def prediction_row(entry: JournalEntry) -> tuple[Any, ...]:
    """Return the values of INSERT_PREDICTION."""
    return (
        entry.request,
        entry.position,
        entry.time,
        # Half of a surrogate pair is no character; a database cannot hold it.
        entry.text.encode("utf-8", "replace").decode(),
        entry.digest,
        entry.label,
        entry.uncertain,
        json.dumps(entry.probabilities),
        entry.release,
        entry.data_version,
        entry.client,
        entry.topic,
        entry.lang,
        entry.words,
        entry.unknown,
        entry.written or None,
        entry.text_id,
        " ".join(entry.more_topics),
        entry.cluster,
        max(entry.probabilities, default=0.0),
    )


def to_prediction(row: tuple[Any, ...]) -> JournalEntry:
    """Return a row of SELECT_PREDICTIONS as an entry."""
    values = dict(zip(PREDICTION_COLUMNS, row, strict=True))
    values["uncertain"], values["probabilities"] = bool(row[6]), tuple(json.loads(row[7]))
    values["written"], values["more_topics"] = values["written"] or "", tuple(values["more_topics"].split())
    return JournalEntry(**values)


def missing_columns(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the columns that a table of predictions of an earlier version lacks, with their types."""
    present = {row[1] for row in connection.execute("PRAGMA main.table_info(predictions)")}
    return {name: kind for name, kind in NEW_COLUMNS.items() if name not in present} if present else {}


def add_missing_columns(connection: sqlite3.Connection) -> None:
    """Bring a table of predictions of an earlier version to today's columns; raises sqlite3.Error."""
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'predictions'").fetchone() is None:
        return
    connection.execute("BEGIN IMMEDIATE")
    # Under the lock: another process may have added them meanwhile.
    for name, kind in missing_columns(connection).items():
        connection.execute(f"ALTER TABLE predictions ADD COLUMN {name} {kind}")
    connection.execute(WRITTEN_INDEX)
    connection.execute("COMMIT")


def view_missing_columns(connection: sqlite3.Connection) -> None:
    """Let queries see the columns that a table of an earlier version lacks; the file stays as it is."""
    if missing := missing_columns(connection):
        added = ", ".join(
            f"{'NULL' if kind == 'TEXT' else repr('')} AS {name}" for name, kind in missing.items()
        )
        connection.execute(f"CREATE TEMP VIEW predictions AS SELECT *, {added} FROM main.predictions")


def feedback_row(entry: Feedback) -> tuple[Any, ...]:
    """Return the values of INSERT_FEEDBACK."""
    return (entry.request, entry.position, entry.time, entry.label, entry.client, entry.topic)
