"""The predictions that came in one hour, as counts by topic and as chosen ones: no list of them exists."""

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from pipeline.base.records import JournalEntry
from pipeline.io.journal import tables
from pipeline.io.journal.database import path_of, read_rows

IN_TIME = "(written IS NULL OR written >= ?)"


class HourSample:
    """Read the predictions that came in an hour and were not written before `oldest`."""

    def __init__(self, folder: Path, hour: str, *, oldest: str) -> None:
        self._path = path_of(folder, hour)
        self._oldest = oldest

    def topics(self) -> dict[str, int]:
        """Count the predictions by their first topic."""
        query = f"SELECT topic, count(*) FROM predictions WHERE {IN_TIME} GROUP BY topic"
        return dict(read_rows(self._path, query, (self._oldest,)))

    def chosen(
        self, rows: Mapping[str, Collection[int]], group_of: Callable[[str], str]
    ) -> Iterator[tuple[str, JournalEntry]]:
        """Yield the predictions at these rows of each group of topics, counted from 0 as they came."""
        if not any(rows.values()):
            return
        seen = dict.fromkeys(rows, 0)
        ids: list[tuple[str, int]] = []
        query = f"SELECT id, topic FROM predictions WHERE {IN_TIME} ORDER BY id"
        for number, topic in read_rows(self._path, query, (self._oldest,)):
            # A topic that came after the count belongs to no group.
            if (group := group_of(topic)) in seen:
                if seen[group] in rows[group]:
                    ids.append((group, number))
                seen[group] += 1
        for group, number in ids:
            for row in read_rows(self._path, f"{tables.SELECT_PREDICTIONS} WHERE id = ?", (number,)):
                yield group, tables.to_prediction(row)
