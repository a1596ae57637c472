"""The tables of the journal: their columns, and their rows as entries."""

import dataclasses
import json
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
    UNIQUE (request, position)
);
CREATE TABLE IF NOT EXISTS probe (id INTEGER PRIMARY KEY, time TEXT NOT NULL)
"""
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
PROBABILITY_SUMS = """
SELECT iif(topic IN (SELECT value FROM json_each(?)), topic, ?) AS topic_group, one.key,
    total(one.value), total(one.value * one.value)
FROM predictions, json_each(probabilities) AS one
WHERE time >= ? AND time < ? AND release = ? GROUP BY topic_group, one.key
"""


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
        max(entry.probabilities, default=0.0),
    )


def to_prediction(row: tuple[Any, ...]) -> JournalEntry:
    """Return a row of SELECT_PREDICTIONS as an entry."""
    values = dict(zip(PREDICTION_COLUMNS, row, strict=True))
    values["uncertain"], values["probabilities"] = bool(row[6]), tuple(json.loads(row[7]))
    return JournalEntry(**values)


def feedback_row(entry: Feedback) -> tuple[Any, ...]:
    """Return the values of INSERT_FEEDBACK."""
    return (entry.request, entry.position, entry.time, entry.label, entry.client, entry.topic)
