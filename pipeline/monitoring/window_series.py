"""The whole series of windows, one topic at a time: on the disk, since it grows as long as a service runs."""

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator

from pipeline.base.documents import TopicReport, WindowReport

SCHEMA = """
CREATE TABLE series (topic TEXT, number INTEGER, report TEXT, PRIMARY KEY (topic, number)) WITHOUT ROWID
"""


class WindowSeries:
    """Hold the prevalence of each topic in a temporary file, and of each window little in memory."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._heads: list[WindowReport] = []
        database.execute(SCHEMA)

    def add(self, window: WindowReport) -> None:
        """Add the next window."""
        number = len(self._heads)
        self._heads.append({**window, "releases": {}, "topics": {}})
        rows = (
            (topic, number, json.dumps(_with_prevalence_only(report)))
            for topic, report in window["topics"].items()
        )
        self._database.executemany("INSERT INTO series VALUES (?, ?, ?)", rows)

    def topics(self) -> list[str]:
        """Return the topics of all windows, sorted."""
        return [row[0] for row in self._database.execute("SELECT DISTINCT topic FROM series ORDER BY topic")]

    def of_topic(self, topic: str) -> list[WindowReport]:
        """Return the windows that have a topic, with it alone, and those in which the model changed."""
        query = "SELECT number, report FROM series WHERE topic = ?"
        reports = dict(self._database.execute(query, (topic,)))
        return [
            {**head, "topics": {topic: json.loads(reports[number])} if number in reports else {}}
            for number, head in enumerate(self._heads)
            if number in reports or head["model_change"]
        ]


@contextlib.contextmanager
def spooled(windows: Iterable[WindowReport]) -> Iterator[WindowSeries]:
    """Read windows once, the oldest first, and yield their series."""
    # A database without a name is a temporary file, of which little is in memory.
    with contextlib.closing(sqlite3.connect("")) as database:
        series = WindowSeries(database)
        for window in windows:
            series.add(window)
        yield series


def _with_prevalence_only(report: TopicReport) -> TopicReport:
    return {**report, "observed": None, "estimated": None, "drift": None}
