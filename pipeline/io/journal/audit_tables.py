"""The tables of the audit queue: their columns, the queries on them, and their rows as records."""

import json
from typing import Any

from pipeline.base.documents.audit import AuditLabel, DrawnPrediction

SCHEMA = """
CREATE TABLE IF NOT EXISTS hours (
    hour TEXT NOT NULL, topic TEXT NOT NULL, texts INTEGER NOT NULL, PRIMARY KEY (hour, topic)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS drawn (
    request TEXT NOT NULL,
    position INTEGER NOT NULL,
    time TEXT NOT NULL,
    came TEXT NOT NULL,
    topic TEXT NOT NULL,
    topics TEXT NOT NULL,
    release TEXT NOT NULL,
    cluster TEXT NOT NULL,
    predicted TEXT NOT NULL,
    probabilities TEXT NOT NULL,
    inclusion REAL NOT NULL,
    place REAL NOT NULL,
    second INTEGER NOT NULL,
    readable INTEGER NOT NULL,
    text_id TEXT NOT NULL,
    signature BLOB,
    PRIMARY KEY (request, position)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS drawn_by_cluster ON drawn (cluster);
CREATE INDEX IF NOT EXISTS drawn_by_time ON drawn (time);
CREATE TABLE IF NOT EXISTS bands (
    band TEXT NOT NULL, cluster TEXT NOT NULL, PRIMARY KEY (band, cluster)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS opinions (
    cluster TEXT NOT NULL,
    annotator TEXT NOT NULL,
    origin TEXT NOT NULL,
    label TEXT NOT NULL,
    time TEXT NOT NULL,
    PRIMARY KEY (cluster, annotator, origin)
) WITHOUT ROWID
"""
DRAWN = (
    "request, position, time, came, topic, topics, release, cluster, predicted, probabilities, inclusion, "
    "place, second, readable, text_id"
)
# The first label that a person gave to a cluster counts; SQLite takes the other columns from that row.
FIRST = (
    "SELECT cluster, min(time) AS labelled_at, label, annotator FROM opinions "
    "WHERE origin = 'audit' AND label <> '' GROUP BY cluster"
)
LABELS = f"""
SELECT d.request, d.position, min(d.time), d.topic, d.release, d.cluster, d.predicted, d.probabilities,
       o.label, count(*) / sum(1.0 / d.inclusion), o.annotator, o.labelled_at, d.topics, count(*)
FROM drawn AS d JOIN ({FIRST}) AS o ON o.cluster = d.cluster
WHERE d.time >= ? AND d.time < ? GROUP BY d.cluster, d.topic, d.release
ORDER BY min(d.time), d.request, d.position
"""
LABEL_FIELDS = (
    "request", "position", "time", "topic", "release", "cluster", "predicted", "probabilities", "label",
    "inclusion", "annotator", "labelled_at", "topics", "drawn",
)  # fmt: skip
# A text waits for a person who has not seen it while nobody labelled it, or one did and two are asked.
# The newest release first, then the topic with the fewest labels, then at random: those that are labelled
# when people stop are a random part of those that were drawn.
WAITING = """
SELECT {columns} FROM drawn AS d
LEFT JOIN (SELECT cluster, count(*) AS labels FROM opinions
           WHERE origin = 'audit' AND label <> '' GROUP BY cluster) AS o ON o.cluster = d.cluster
LEFT JOIN (SELECT d.topic, count(DISTINCT o.cluster) AS labels FROM drawn AS d JOIN opinions AS o
           ON o.cluster = d.cluster AND o.origin = 'audit' AND o.label <> '' GROUP BY d.topic) AS t
           ON t.topic = d.topic
WHERE coalesce(o.labels, 0) <= d.second
  AND NOT EXISTS (SELECT 1 FROM opinions AS mine WHERE mine.cluster = d.cluster AND mine.annotator = ?
                  AND mine.origin = 'audit')
  AND (? = '' OR d.topic = ?)
"""
ORDER = " ORDER BY length(d.release) DESC, d.release DESC, coalesce(t.labels, 0), d.place"


def drawn_row(one: DrawnPrediction) -> tuple[Any, ...]:
    """Return the values of the columns DRAWN."""
    head = (one.request, one.position, one.time, one.came, one.topic, " ".join(one.topics), one.release)
    chance = (one.inclusion, one.place, one.second, one.readable, one.text_id)
    return (*head, one.cluster, one.predicted, json.dumps(one.probabilities), *chance)


def to_drawn(row: tuple[Any, ...]) -> DrawnPrediction:
    """Return a row with the columns DRAWN."""
    values = dict(zip(DRAWN.split(", "), row, strict=True))
    values |= {"topics": tuple(row[5].split()), "probabilities": tuple(json.loads(row[9]))}
    values |= {"second": bool(row[12]), "readable": bool(row[13])}
    return DrawnPrediction(**values)


def to_label(row: tuple[Any, ...]) -> AuditLabel:
    """Return a row of LABELS."""
    values = dict(zip(LABEL_FIELDS, row, strict=True))
    values |= {"probabilities": tuple(json.loads(row[7])), "topics": tuple(row[12].split())}
    return AuditLabel(**values)
