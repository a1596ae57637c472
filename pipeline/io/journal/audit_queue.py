"""The audit queue beside the journal: predictions drawn at random, and what people say about them.

It holds no text: readers take that of the prediction, as long as the journal keeps it. Retention and
`tonewatch data forget` clear the queue together with the predictions.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.base.documents.audit import AuditLabel, DrawnPrediction, Opinion
from pipeline.base.errors import Fault
from pipeline.io.file_access import make_private
from pipeline.io.journal.audit_tables import (
    DRAWN,
    LABELS,
    ORDER,
    SCHEMA,
    WAITING,
    drawn_row,
    to_drawn,
    to_label,
)
from pipeline.io.journal.database import SUFFIX, Database, read_rows

AUDIT = f"audit{SUFFIX}"


@dataclass(frozen=True)
class DrawnHour:
    """What one hour adds to the queue: its texts by topic, the drawn ones, and the signature of each text.

    A signature is empty where the text is not stored; `bands` are the names of its bands.
    """

    hour: str
    texts: Mapping[str, int]
    drawn: list[DrawnPrediction]
    signatures: dict[str, bytes]
    bands: dict[str, Sequence[str]]


class AuditQueue:
    """Read and write the audit queue in the folder of a journal; safe for threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / AUDIT

    def last_hour(self, before: str) -> str:
        """Return the newest hour before another that was drawn from, empty where there is none."""
        query = "SELECT max(hour) FROM hours WHERE hour < ?"
        return next((str(row[0] or "") for row in read_rows(self._path, query, (before,))), "")

    def volumes(self, since: str, until: str) -> dict[str, tuple[str, int]]:
        """Return, for each topic with texts in these hours, the first such hour and the number of texts."""
        query = (
            "SELECT topic, min(hour), sum(texts) FROM hours "
            "WHERE hour >= ? AND hour < ? AND topic <> '' GROUP BY topic"
        )
        return {topic: (first, texts) for topic, first, texts in read_rows(self._path, query, (since, until))}

    def signatures(self, bands: Sequence[str]) -> list[tuple[str, bytes]]:
        """Return the clusters that share one of the bands, each with the signature of a text of it."""
        marks = ", ".join("?" * len(bands))
        query = (
            f"SELECT cluster, max(signature) FROM drawn WHERE cluster IN "
            f"(SELECT cluster FROM bands WHERE band IN ({marks})) AND signature IS NOT NULL GROUP BY cluster"
        )
        return list(read_rows(self._path, query, tuple(bands)))

    def add(self, hour: DrawnHour) -> None:
        """Add what was drawn from an hour; an hour that is there already stays as it is.

        Raises Fault where it cannot be written.
        """
        with self._writing() as connection:
            if connection.execute("SELECT 1 FROM hours WHERE hour = ?", (hour.hour,)).fetchone():
                return
            # The empty topic says that the hour is done, also where it had no texts.
            rows = [(hour.hour, topic, texts) for topic, texts in {"": 0, **hour.texts}.items()]
            connection.executemany("INSERT INTO hours VALUES (?, ?, ?)", rows)
            connection.executemany(
                f"INSERT OR IGNORE INTO drawn ({DRAWN}, signature) VALUES ({', '.join('?' * 16)})",
                [(*drawn_row(one), hour.signatures.get(one.cluster)) for one in hour.drawn],
            )
            connection.executemany(
                "INSERT OR IGNORE INTO bands VALUES (?, ?)",
                [(band, cluster) for cluster, bands in hour.bands.items() for band in bands],
            )

    def waiting(self, annotator: str, *, topic: str = "") -> Iterator[DrawnPrediction]:
        """Yield what waits for a person's label, in the order of the queue; one prediction a cluster."""
        columns = ", ".join(f"d.{name}" for name in DRAWN.split(", "))
        # Of copies, which share a cluster, the one that comes first in the queue.
        first = " AND d.place = (SELECT min(place) FROM drawn WHERE cluster = d.cluster)"
        query = WAITING.format(columns=columns) + first + ORDER
        return map(to_drawn, read_rows(self._path, query, (annotator, topic, topic)))

    def drawn(self, request: str, position: int) -> DrawnPrediction | None:
        """Return a drawn prediction, None where it was never drawn or is past its retention."""
        query = f"SELECT {DRAWN} FROM drawn WHERE request = ? AND position = ?"
        return next((to_drawn(row) for row in read_rows(self._path, query, (request, position))), None)

    def all_drawn(self, *, topic: str = "") -> Iterator[DrawnPrediction]:
        """Yield the drawn predictions, the oldest first; those of one topic where it is named."""
        of_topic = "(? IN ('', topic) OR instr(' ' || topics || ' ', ' ' || ? || ' '))"
        query = f"SELECT {DRAWN} FROM drawn WHERE {of_topic} ORDER BY time, request, position"
        return map(to_drawn, read_rows(self._path, query, (topic, topic)))

    def opinions(self) -> Iterator[tuple[str, Opinion]]:
        """Yield every opinion with the topic of its texts, cluster by cluster, the first one first."""
        query = (
            "SELECT d.topic, o.cluster, o.annotator, o.label, o.time, o.origin FROM opinions AS o JOIN "
            "(SELECT cluster, min(topic) AS topic FROM drawn GROUP BY cluster) AS d ON d.cluster = o.cluster "
            "ORDER BY o.cluster, o.time, o.annotator"
        )
        return ((row[0], Opinion(*row[1:])) for row in read_rows(self._path, query))

    def first_hours(self) -> dict[str, str]:
        """Return the hour in which the first drawn text of each labelled cluster came."""
        query = (
            "SELECT cluster, min(came) FROM drawn WHERE cluster IN (SELECT cluster FROM opinions) "
            "GROUP BY cluster"
        )
        return dict(read_rows(self._path, query))

    def labels(self, start: str, end: str) -> Iterator[AuditLabel]:
        """Yield one label for each cluster, topic and release written in [start, end), the oldest first."""
        return map(to_label, read_rows(self._path, LABELS, (start, end)))

    def add_opinions(self, opinions: Sequence[Opinion], *, replace: bool = False) -> list[tuple[str, bool]]:
        """Store opinions; return the label that stands for each, and whether it is new.

        The first one of a person counts, with `replace` the last one.
        """
        stored: list[tuple[str, bool]] = []
        with self._writing() as connection:
            for one in opinions:
                key = (one.cluster, one.annotator, one.origin)
                query = "SELECT label FROM opinions WHERE cluster = ? AND annotator = ? AND origin = ?"
                present = connection.execute(query, key).fetchone()
                # A text that was skipped can still be labelled.
                if present is None or (one.label != present[0] and (replace or not present[0])):
                    connection.execute(
                        "INSERT OR REPLACE INTO opinions (cluster, annotator, origin, label, time) "
                        "VALUES (?, ?, ?, ?, ?)",
                        (*key, one.label, one.time),
                    )
                    stored.append((one.label, True))
                else:
                    stored.append((str(present[0]), False))
        return stored

    def undo(self, annotator: str) -> DrawnPrediction | None:
        """Remove a person's newest opinion; return the prediction that was shown, None without an opinion."""
        with self._writing() as connection:
            mine = "WHERE annotator = ? AND origin = 'audit'"
            query = f"SELECT cluster FROM opinions {mine} ORDER BY time DESC LIMIT 1"
            row = connection.execute(query, (annotator,)).fetchone()
            if row is None:
                return None
            connection.execute(f"DELETE FROM opinions {mine} AND cluster = ?", (annotator, *row))
            query = f"SELECT {DRAWN} FROM drawn WHERE cluster = ? ORDER BY place LIMIT 1"
            shown = connection.execute(query, row).fetchone()
            return to_drawn(shown) if shown else None

    def forget(self, where: str, keys: Sequence[tuple[object, ...]]) -> None:
        """Remove what was drawn where a condition holds for one of `keys`, and the opinions on it.

        Raises Fault where that fails.
        """
        self._delete(where, keys)

    def retain(self, oldest: str) -> None:
        """Remove what came before an hour, as 2026-11-25T08; raises Fault where that fails."""
        self._delete("came < ?", [(oldest,)])
        if self._path.exists():
            with self._writing() as connection:
                connection.execute("DELETE FROM hours WHERE hour < ?", (oldest,))

    def _delete(self, where: str, keys: Sequence[tuple[object, ...]]) -> None:
        if not self._path.exists():
            return
        with self._writing() as connection:
            connection.executemany(f"DELETE FROM drawn WHERE {where}", keys)
            for table in ("opinions", "bands"):
                connection.execute(f"DELETE FROM {table} WHERE cluster NOT IN (SELECT cluster FROM drawn)")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            make_private(self._path.parent)
            with contextlib.closing(Database(self._path, SCHEMA)) as database:
                database.connection.execute("BEGIN IMMEDIATE")
                yield database.connection
                database.connection.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Fault(
                f"The audit queue cannot be written to {self._path} ({reason}). Fix that; it is unchanged."
            ) from error
