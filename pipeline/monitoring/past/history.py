"""Predict a table of past texts into the journal, each at the time it was written."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.base import logs, times
from pipeline.base.config import Params, Workspace
from pipeline.base.errors import UsageError
from pipeline.base.records import Unreadable
from pipeline.base.tasks import reads_targets
from pipeline.base.tasks.targets import with_target
from pipeline.core.clean.times import read_times
from pipeline.core.inspection.columns import find_roles
from pipeline.core.inspection.profiles import profile
from pipeline.core.monitor.windows import window_start
from pipeline.core.privacy.masking import mask_pii
from pipeline.inference.champion import load_champion
from pipeline.inference.workers import predict_groups
from pipeline.io import files
from pipeline.io.journal.journal import Journal
from pipeline.io.table_files.opening import open_table
from pipeline.io.table_files.shape import Row, TableRequest
from pipeline.monitoring.past.entries import BATCH, LONGEST_TOPIC, PastEntries, PastText, topic_name

FIELDS, TARGET = ("text", "time", "topic", "id"), "target"
SAMPLE_ROWS = 5000
MAX_BYTES = 50_000_000_000
TEXT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/#-]{0,127}")


@dataclass(frozen=True)
class HistoryRequest:
    """Hold which table to read: `columns` maps text, time, topic, id and target to columns.

    Others are found out; a target is read where the champion labels targets.

    Only texts written in [`since`, `until`) are read, where these are given.
    """

    path: Path
    columns: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None


@dataclass
class History:
    """Hold the span of the texts that were read, how many rows are not among them, and why.

    `reported` rows lie in windows that have a report already; `renamed` topics have a name that the journal
    cannot hold, with the one that it holds.
    """

    columns: dict[str, str]
    first: str = ""
    last: str = ""
    rows: int = 0
    predicted: int = 0
    unreadable: int = 0
    without_text: int = 0
    without_time: int = 0
    outside: int = 0
    reported: int = 0
    renamed: dict[str, str] = field(default_factory=dict)


def journal_history(
    workspace: Workspace, request: HistoryRequest, *, params: Params, now: datetime
) -> History:
    """Predict the texts of a table with the champion, and store them in the journal at their own times.

    Rows of windows that have a report stay out: those are kept as they are. An import that was interrupted
    goes on when the same file comes again, and stores no text twice. Raises UsageError where the table has no
    column of texts or of times, DataRejected for a file that is no table.
    """
    release = load_champion(workspace)
    table = TableRequest(request.path, str(request.path), MAX_BYTES)
    history, day_first = _look_at(table, request.columns, targets=reads_targets(release.task))
    reader = _Reader(history, request, workspace, params, day_first=day_first, now=now)
    note = _begun_import(workspace, request.path, now)
    came = times.parse_time(note["came"])
    writer = PastEntries(workspace, params, release, sha256=note["sha256"], came=came)
    journal = Journal(workspace.journal, retention_days=params.serve.journal.retention_days)
    try:
        with (
            closing(predict_groups(release, reader.groups(table), rows=None)) as groups,
            logs.progress(f"watch {request.path.name}", None) as progress,
        ):
            for past, predictions in groups:
                journal.append(writer.entries(past, predictions))
                history.predicted += len(past)
                progress(history.rows)
    finally:
        journal.close()
    logs.get("watch").info("history.journaled", rows=history.rows, predicted=history.predicted)
    return history


def end_import(workspace: Workspace) -> None:
    """Forget that an import has begun: the next one of the same file is another one."""
    _note_path(workspace).unlink(missing_ok=True)


def _look_at(
    table: TableRequest, columns: Mapping[str, str], *, targets: bool
) -> tuple[History, bool | None]:
    """Return which column is which, and whether the day comes first in the dates of a sample."""
    with open_table(table) as opened:
        rows = (row for row in opened.rows if not isinstance(row, Unreadable))
        sample = list(itertools.islice(rows, SAMPLE_ROWS))
    names = tuple(dict.fromkeys(itertools.chain.from_iterable(sample)))
    listed = ", ".join(names[:20]) or "none"
    if missing := [name for name in columns.values() if name not in names]:
        raise UsageError(f"{table.where} has no column {missing[0]!r}. Its columns: {listed}.")
    found = find_roles(names, sample).columns()
    # A past text needs no label, so a column of few values that is called a topic is one.
    label = found.get("label", "")
    if label and "topic" not in found and profile(label, ()).is_called("topic"):
        found["topic"] = label
    chosen = {name: columns.get(name) or found.get(name, "") for name in FIELDS}
    needed = [("text", "texts"), ("time", "times")]
    if targets:
        chosen[TARGET] = columns.get(TARGET) or (TARGET if TARGET in names else "")
        needed.append((TARGET, "targets"))
    for name, what in needed:
        if not chosen[name]:
            raise UsageError(
                f"{table.where} has no column that is surely one of {what}. "
                f"Name it, as in `--columns {name}=COLUMN`. Its columns: {listed}."
            )
    _, tally = read_times([row.get(chosen["time"], "") for row in sample], zone="UTC", day_first=None)
    return History({name: column for name, column in chosen.items() if column}), tally.day_first


def _note_path(workspace: Workspace) -> Path:
    return workspace.windows / "history.json"


def _begun_import(workspace: Workspace, path: Path, now: datetime) -> dict[str, str]:
    """Return the digest of the file, and when its import began: one that goes on finds its own rows again."""
    place, digest = _note_path(workspace), files.sha256(path)
    if place.exists() and (note := dict(files.read_json(place))).get("sha256") == digest:
        return note
    note = {"sha256": digest, "came": times.format_seconds(now.astimezone(UTC))}
    place.parent.mkdir(parents=True, exist_ok=True)
    files.write_json(place, note)
    return note


class _Reader:
    """Read the texts of a table that belong into windows without a report, and count the others."""

    def __init__(
        self,
        history: History,
        request: HistoryRequest,
        workspace: Workspace,
        params: Params,
        *,
        day_first: bool | None,
        now: datetime,
    ) -> None:
        self._history, self._day_first = history, day_first
        self._since = times.format_seconds(request.since) if request.since else ""
        self._until = times.format_seconds(min(request.until or now, now))
        self._windows, self._minutes = workspace.windows, params.watch.window_minutes
        self._reported: dict[str, bool] = {}
        self._topics: dict[str, str] = {}

    def groups(self, table: TableRequest) -> Iterator[tuple[list[PastText], list[str]]]:
        """Yield the rows to predict with their texts, some hundred at a time."""
        with open_table(table) as opened:
            numbered = enumerate(opened.rows)
            while rows := list(itertools.islice(numbered, BATCH)):
                if past := self._batch(rows):
                    yield past, [one.text for one in past]

    def _batch(self, rows: Sequence[tuple[int, Row | Unreadable]]) -> list[PastText]:
        history, columns = self._history, self._history.columns
        history.rows += len(rows)
        readable = [(number, row) for number, row in rows if not isinstance(row, Unreadable)]
        history.unreadable += len(rows) - len(readable)
        values = [row.get(columns["time"], "") for _, row in readable]
        read, _ = read_times(values, zone="UTC", day_first=self._day_first)
        batch = []
        for (number, row), time in zip(readable, read, strict=True):
            text = row.get(columns["text"], "")
            if TARGET in columns:
                target = row.get(columns[TARGET], "")
                text = with_target(text, target) if text.strip() and target.strip() else ""
            if self._belongs(text, time):
                topic = self._topic(row.get(columns.get("topic", ""), ""))
                key = row.get(columns.get("id", ""), "")
                batch.append(PastText(number, text, time, topic, key if TEXT_ID.fullmatch(key) else ""))
                history.first = min(history.first or time, time)
                history.last = max(history.last, time)
        return batch

    def _belongs(self, text: str, time: str) -> bool:
        history = self._history
        if not text.strip():
            history.without_text += 1
        elif not time:
            history.without_time += 1
        elif not self._since <= time < self._until:
            history.outside += 1
        elif self._has_report(time):
            history.reported += 1
        else:
            return True
        return False

    def _has_report(self, time: str) -> bool:
        start = times.format_seconds(window_start(times.parse_time(time), self._minutes))
        if start not in self._reported:
            self._reported[start] = (self._windows / f"{start.replace(':', '-')}.json").exists()
        return self._reported[start]

    def _topic(self, written: str) -> str:
        if written not in self._topics:
            name = topic_name(written)
            if len(self._topics) < SAMPLE_ROWS:
                self._topics[written] = name
            if name != written and written.strip() and not mask_pii(written)[1]:
                self._history.renamed.setdefault(written[:LONGEST_TOPIC], name)
            return name
        return self._topics[written]


def span_of(history: History, *, minutes: int, now: datetime) -> tuple[str, str]:
    """Return the stretch of time whose windows hold the texts of a history."""
    last = window_start(times.parse_time(history.last), minutes) + timedelta(minutes=minutes)
    start = window_start(times.parse_time(history.first), minutes)
    return times.format_seconds(start), times.format_seconds(min(last, now))
