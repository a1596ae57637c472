"""What the dashboard reads from a workspace: windows, champions, data versions, alerts and runs."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

from pipeline.base import logs
from pipeline.base.config import Params, Workspace
from pipeline.base.documents import DataVersionRecord, ReignRecord, WindowReport
from pipeline.base.documents.card import ReleaseState
from pipeline.base.times import format_seconds
from pipeline.io import alerts, files
from pipeline.io.alerts import OutboxEntry
from pipeline.io.params_file import load_params
from pipeline.io.versioning import data_versions
from pipeline.monitoring.changes import read_change_points, read_states
from pipeline.monitoring.windows.files import read_window, window_paths
from pipeline.operations import schedule
from pipeline.report.charts.time_axis import utc_seconds
from pipeline.report.charts.timeline import Timeline, timeline
from pipeline.report.release import history

MAX_DUE_TIMES = 8
MAX_LANES = 8
REIGN_KINDS = {"first": "was the first", "on": "took over from", "back": "came back in place of"}


class Reign(ReignRecord):
    """A reign with the words between the release and the one before it."""

    description: str


class ChampionHistory(TypedDict):
    """The champion, its reigns and the states of all releases, newest first; `waiting` ones need approval."""

    current: str | None
    previous: str | None
    reigns: list[Reign]
    states: list[ReleaseState]
    waiting: list[str]
    plot: Timeline | None


class AlertEntry(TypedDict):
    """An alert of the outbox; `state` says who accepted it, `link` is empty unless it is safe to follow."""

    kind: str
    time: str
    title: str
    message: str
    requests_retrain: bool
    state: str
    link: str


class RunEntry(TypedDict):
    """A run of a scheduled flow; `due_times` are those of recent runs of its kind, the newest first."""

    flow: str
    run: str
    began: str
    state: str
    due_times: list[str]


def read_params(workspace: Workspace) -> Params:
    """Read params.yaml."""
    return load_params(workspace.params)


def read_shown_windows(workspace: Workspace) -> list[WindowReport]:
    """Read the newest windows; files that are no window reports are skipped."""
    shown = load_params(workspace.params).serve.dashboard.shown_windows
    windows = (_read_valid_window(path) for path in window_paths(workspace)[-shown:])
    return [window for window in windows if window]


def _read_valid_window(path: Path) -> WindowReport | None:
    try:
        window = read_window(path)
        in_order = utc_seconds(window["window"]["start"]) < utc_seconds(window["window"]["end"])
        if in_order and isinstance(window["topics"], dict):
            return window
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass
    logs.get("dashboard").warning("window.unreadable", file=path.name)
    return None


def read_champions(workspace: Workspace) -> ChampionHistory:
    """Read the history of the champion from the ledger."""
    from pipeline.io.registry.ledger import Ledger

    ledger = Ledger(workspace.ledger)
    reigns = ledger.reigns()
    states = history.release_states([release.record for release in ledger.releases()], reigns)
    waiting = [state["release"] for state in states if state["state"] == "waiting"]
    now = format_seconds(datetime.now(UTC))
    return {
        "current": reigns[-1]["to"] if reigns else None,
        "previous": reigns[-1]["from"] if reigns else None,
        "reigns": [{**reign, "description": REIGN_KINDS[reign["kind"]]} for reign in reversed(reigns)],
        "states": states[::-1],
        "waiting": [release for release in waiting if ledger.approval(release) is None],
        "plot": timeline(reigns, states[-MAX_LANES:], now=now) if states else None,
    }


def read_versions(workspace: Workspace) -> list[DataVersionRecord]:
    """Read the data versions, the newest first."""
    return [version.as_dict() for version in data_versions.list_versions(workspace.root)]


def read_alerts(workspace: Workspace) -> list[AlertEntry]:
    """Read the alerts of the outbox, the newest first."""
    return [_alert_entry(entry) for entry in reversed(alerts.list_outbox(workspace.alerts))]


def _alert_entry(entry: OutboxEntry) -> AlertEntry:
    alert, sinks = entry.alert, len(entry.delivered) + len(entry.waiting)
    state = "sent" if sinks else "not sent: no address is set"
    if entry.waiting:
        state = f"waiting for {len(entry.waiting)} of {sinks} addresses"
    return {
        "kind": alert.kind,
        "time": alert.time,
        "title": alert.title,
        "message": alert.message,
        "requests_retrain": alert.requests_retrain,
        "state": state,
        "link": alert.link if alert.link.startswith(("/", "http://", "https://")) else "",
    }


def read_runs(workspace: Workspace) -> list[RunEntry]:
    """Read the runs that are alive and the last run of each kind, running ones first, then the newest."""
    folder = schedule.folder(workspace)
    last_runs = {path.stem: schedule.last_run(workspace, path.stem) for path in folder.glob("*.json")}
    runs = [
        _run_entry(kind, last.run, last.began, last.dues, alive=schedule.run_is_alive(workspace, last.run))
        for kind, last in last_runs.items()
        if last.run
    ]
    known = {last.run for last in last_runs.values()}
    for path in (folder / "runs").glob("*.json"):
        if path.stem not in known and schedule.run_is_alive(workspace, path.stem):
            run = files.read_json(path)
            runs.append(_run_entry(run["kind"], path.stem, run["began"], (), alive=True))
    return sorted(runs, key=lambda run: (run["state"] == "running", run["began"]), reverse=True)


def _run_entry(kind: str, run: str, began: str, dues: Sequence[str], *, alive: bool | None) -> RunEntry:
    return {
        "flow": kind,
        "run": run,
        "began": began,
        "state": "running" if alive else "ended",
        "due_times": list(reversed(dues))[:MAX_DUE_TIMES],
    }


LOOKUPS: Mapping[str, Callable[[Workspace], Any]] = {
    "params": read_params,
    "windows": read_shown_windows,
    "change_points": read_change_points,
    "changes": read_states,
    "champion": read_champions,
    "versions": read_versions,
    "alerts": read_alerts,
    "runs": read_runs,
}
