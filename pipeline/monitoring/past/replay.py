"""Report the past from the journal or a table: a history falls into the windows it was written in."""

import sys
from datetime import UTC, datetime
from typing import TypedDict

from pipeline.base import logs, times
from pipeline.base.config import Workspace
from pipeline.base.errors import UsageError
from pipeline.core.monitor.windows import due_windows
from pipeline.io import locks
from pipeline.io.journal.journal import Journal
from pipeline.io.params_file import load_params
from pipeline.monitoring.audit_labels import read_audit_labels
from pipeline.monitoring.changes import find_changes, write_changes
from pipeline.monitoring.past.history import (
    History,
    HistoryRequest,
    end_import,
    journal_history,
    span_of,
)
from pipeline.monitoring.reference import ReferenceCache, not_watched
from pipeline.monitoring.window_writer import WindowWriter
from pipeline.monitoring.windows.files import read_series, read_window


class ReplaySummary(TypedDict):
    """The windows that were written, with their predictions, and how many were there already."""

    since: str
    until: str
    windows: list[str]
    predictions: int
    kept: int


def replay_watch(workspace: Workspace, *, since: str, until: str, now: str | None = None) -> ReplaySummary:
    """Report the windows from `since` to `until` that have no report, however late their texts came.

    Nothing is drawn to be labelled, no alert is sent and no release is rolled back: the past is past. Raises
    UsageError for what is no time, and for a stretch of time that is empty or not over.
    """
    start, end = _parse("from", since), _parse("to", until)
    present = times.parse_time(now) if now else datetime.now(UTC)
    if not start < end <= present:
        raise UsageError(
            f"From {since} to {until} is no stretch of the past. It is {times.format_seconds(present)} now."
        )
    if reason := not_watched(workspace):
        raise UsageError(reason)
    params = load_params(workspace.params)
    span = {"since": times.format_seconds(start), "now": times.format_seconds(end)}
    written, kept, predictions = list[str](), 0, 0
    with locks.folder_lock(workspace.windows):
        journal = Journal.reading(workspace.journal, late_hours=None)
        audited = list(read_audit_labels(workspace))
        writer = WindowWriter(workspace, journal, ReferenceCache(workspace), audited, params)
        windows = due_windows(**span, minutes=params.watch.window_minutes, most=sys.maxsize)
        # The window that holds `since` began before it.
        for window in (window for window in windows if window.start >= span["since"]):
            path = workspace.windows / f"{window.name}.json"
            if path.exists():
                kept += 1
            elif writer.write(window):
                written.append(window.name)
                predictions += sum(read_window(path)["releases"].values())
        if written:
            # Judged here, so that no later pass alerts about the past.
            changes = find_changes(workspace, read_series(workspace), now=span["now"], params=params)
            write_changes(workspace, changes)
    logs.get("watch").info("windows.replayed", windows=len(written), kept=kept, predictions=predictions)
    return {
        "since": span["since"],
        "until": span["now"],
        "windows": written,
        "predictions": predictions,
        "kept": kept,
    }


def replay_file(
    workspace: Workspace, request: HistoryRequest, *, now: str | None = None
) -> tuple[History, ReplaySummary | None]:
    """Predict a table of past texts and report the windows they were written in; see `journal_history`.

    Windows that have a report keep it. Returns what was read, and None instead of a summary where no text of
    the table lies in a window without a report.
    """
    if reason := not_watched(workspace):
        raise UsageError(reason)
    present = times.parse_time(now) if now else datetime.now(UTC)
    params = load_params(workspace.params)
    history = journal_history(workspace, request, params=params, now=present)
    replayed = None
    if history.predicted:
        since, until = span_of(history, minutes=params.watch.window_minutes, now=present)
        replayed = replay_watch(workspace, since=since, until=until, now=times.format_seconds(present))
    end_import(workspace)
    return history, replayed


def parse_span(since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    """Return the times of `--from` and `--to`, None for one that is not given; raises UsageError."""
    return _parse("from", since) if since else None, _parse("to", until) if until else None


def _parse(option: str, text: str) -> datetime:
    try:
        return times.parse_time(text)
    except ValueError:
        raise UsageError(f"--{option} {text!r} is no time. Write it as 2026-11-25T08:00:00Z.") from None
