"""What the dashboard shows: each part is looked at by itself, so that what is broken or slow costs its own card and no other."""

import functools
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.base import logs
from pipeline.base.config import Params, Workspace
from pipeline.base.errors import TonewatchError
from pipeline.io.params_file import load_params
from pipeline.io.versioning import data_versions
from pipeline.operations import dashboard_charts, schedule
from pipeline.report import formatting
from pipeline.report.charts.time_axis import utc_seconds
from pipeline.report.charts.timeline import timeline
from pipeline.report.release import history

PATIENCE_SECONDS = 4.0  # for one look; what takes longer is told as not answering
FRESH_SECONDS = 1.0  # a look so young is not taken again, however many readers there are
WINDOWS_KEPT = 4096
RUNS_SHOWN = 8
READERS = {
    reader.__name__: reader
    for reader in (
        formatting.score,
        formatting.integer,
        formatting.percent,
        formatting.decimal,
        formatting.rounded,
        formatting.p_value,
        formatting.utc_time,
    )
}
KINDS = {"first": "was the first", "on": "took over from", "back": "came back in place of"}


@dataclass(frozen=True)
class Card:
    """Hold what one look found, or why it found nothing."""

    value: Any = None
    fault: str | None = None


class DashboardData:
    """Look at one workspace for as many readers as there are; each look has a thread of its own and is taken once at a time."""

    def __init__(self, workspace: Workspace, *, prefect: str | None = None) -> None:
        self._workspace = workspace
        self._prefect = prefect
        self._looks = {
            name: CachedLookup(functools.partial(look, workspace)) for name, look in LOOKUPS.items()
        }

    def page(self, topic: str | None) -> dict[str, Any]:
        """Give every card of the page of a topic, by default of all texts together; a card that fails says why."""
        return self.drawn(self.parts(), topic)

    def parts(self) -> dict[str, Card]:
        """Take every look, and wait for all of them no longer than for one."""
        started = {name: look.start() for name, look in self._looks.items()}
        deadline = time.monotonic() + PATIENCE_SECONDS
        return {name: _waited(name, future, deadline - time.monotonic()) for name, future in started.items()}

    def drawn(self, parts: Mapping[str, Card], topic: str | None) -> dict[str, Any]:
        """Draw the charts of a topic from what was seen, and give them with all the rest."""
        seen = parts["windows"].value or ()
        topics = dashboard_charts.topics_of(seen)
        chosen = topic if topic in topics else dashboard_charts.ALL
        return {
            **parts,
            "topics": topics,
            "topic": chosen,
            "known": topic is None or topic in topics,
            "tone": _drawn(
                parts["windows"],
                lambda: dashboard_charts.prevalence_chart(seen, parts["events"].value or {}, chosen),
            ),
            "drift": _drawn(parts["windows"], lambda: dashboard_charts.drift_chart(seen, chosen)),
            "quality": _drawn(parts["windows"], lambda: dashboard_charts.quality_chart(seen, chosen)),
            "links": links(self._workspace, self._prefect),
            "now": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


class CachedLookup:
    """Take one look at a time in a thread of its own, and hand the same one to all who ask meanwhile."""

    def __init__(self, look: Callable[[], Any]) -> None:
        self._look = look
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="overview")
        self._lock = threading.Lock()
        self._last: Future[Any] | None = None
        self._ended = 0.0

    def start(self) -> "Future[Any]":
        """Give the look that is going on or has just been taken, else a new one."""
        with self._lock:
            # One that hangs is waited for by all and not begun again: a store that is down costs one thread.
            if self._last is None or (self._last.done() and time.monotonic() - self._ended > FRESH_SECONDS):
                self._last = self._pool.submit(self._taken)
            return self._last

    def _taken(self) -> Any:
        try:
            return self._look()
        finally:
            self._ended = time.monotonic()


def links(workspace: Workspace, prefect: str | None) -> dict[str, str]:
    """Give the pages of MLflow and Prefect, where these are servers and not embedded."""
    found = {"MLflow": workspace.mlflow, "Prefect": (prefect or "").removesuffix("/").removesuffix("/api")}
    return {
        name: address
        for name, address in found.items()
        if address.startswith(("http://", "https://")) and "@" not in address
    }


def _waited(name: str, future: "Future[Any]", seconds_left: float) -> Card:
    try:
        return Card(future.result(timeout=max(0.0, seconds_left)))
    except TimeoutError:
        return Card(
            fault=f"This does not answer within {PATIENCE_SECONDS:.0f} s. What else is on this page does not wait for it."
        )
    except TonewatchError as error:
        return Card(fault=str(error))
    except Exception as error:  # whatever is broken, the page still comes
        logs.get("overview").error("look failed", part=name, why=type(error).__name__)
        return Card(
            fault=f"This cannot be read ({type(error).__name__}). Type `tonewatch doctor` to see what is broken."
        )


def _drawn(windows: Card, draw: Callable[[], dict[str, Any]]) -> Card:
    if not windows.value:
        return Card(fault=windows.fault)
    try:
        return Card(draw())
    except Exception as error:  # a window that another version wrote must not take the page with it
        logs.get("overview").error("chart failed", why=type(error).__name__)
        return Card(
            fault=f"These windows cannot be drawn ({type(error).__name__}). Type `tonewatch watch` to have newer ones."
        )


def _windows(workspace: Workspace) -> list[dict[str, Any]]:
    params = load_params(workspace.params)
    paths = sorted(workspace.windows.glob("2*.json"))[-params.serve.dashboard.shown_windows :]
    found = [_window(path, path.stat().st_mtime_ns) for path in paths]
    return [document for document in found if document]


@functools.lru_cache(maxsize=WINDOWS_KEPT)
def _window(path: Path, _written: int) -> dict[str, Any] | None:
    """Read one window, once for each time it was written; None for one that is none."""
    try:
        document = json.loads(path.read_text("utf-8"))
        if utc_seconds(document["window"]["start"]) < utc_seconds(document["window"]["end"]) and isinstance(
            document["topics"], dict
        ):
            return dict(document)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass
    logs.get("overview").warning("no window", file=path.name)
    return None


def _events(workspace: Workspace) -> dict[str, Any]:
    path = workspace.windows / "events.json"
    return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}


def _champion(workspace: Workspace) -> dict[str, Any]:
    from pipeline.io.registry.ledger import Ledger

    ledger = Ledger(workspace.ledger)
    reigns = ledger.reigns()
    standings = history.release_states([release.record for release in ledger.releases()], reigns)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    waiting = [
        one["release"]
        for one in standings
        if one["state"] == "waiting" and ledger.approval(one["release"]) is None
    ]
    return {
        "current": reigns[-1]["to"] if reigns else None,
        "previous": reigns[-1]["from"] if reigns else None,
        "since": reigns[-1]["time"] if reigns else None,
        "reigns": [{**reign, "told": KINDS[reign["kind"]]} for reign in reversed(reigns)],
        "standings": list(reversed(standings)),
        "waiting": waiting,
        "plot": timeline(reigns, standings[-LANES_SHOWN:], now=now) if standings else None,
    }


def _versions(workspace: Workspace) -> list[dict[str, Any]]:
    return [version.as_dict() for version in data_versions.list_versions(workspace.root)]


def _alerts(workspace: Workspace) -> list[dict[str, Any]]:
    from pipeline.io import alerts

    return [_alert(entry) for entry in reversed(alerts.list_outbox(workspace.alerts))]


def _alert(entry: Any) -> dict[str, Any]:
    many = len(entry.delivered) + len(entry.waiting)
    state = (
        f"waits for {len(entry.waiting)} of {many} sinks"
        if entry.waiting
        else "sent"
        if many
        else "kept here"
    )
    link = entry.alert.link if entry.alert.link.startswith(("/", "http://", "https://")) else ""
    return {**asdict(entry.alert), "state": state, "link": link}


def _runs(workspace: Workspace) -> list[dict[str, Any]]:
    """Give what goes on and the last run of each kind, the newest first; of older ones, when they were due."""
    folder = schedule.folder(workspace)
    last = {
        kind: schedule.last_run(workspace, kind) for kind in (path.stem for path in folder.glob("*.json"))
    }
    told = [
        _run(kind, one.run, one.began, schedule.run_is_alive(workspace, one.run), one.dues)
        for kind, one in last.items()
        if one.run
    ]
    known = {one.run for one in last.values()}
    for path in (folder / "runs").glob("*.json"):
        if path.stem not in known and schedule.run_is_alive(workspace, path.stem):
            about = json.loads(path.read_text("utf-8"))
            told.append(_run(about["kind"], path.stem, about["began"], True, ()))
    return sorted(told, key=lambda one: (one["state"] == "running", one["when"]), reverse=True)


def _run(kind: str, run: str, began: str, alive: bool | None, dues: Sequence[str]) -> dict[str, Any]:
    return {
        "flow": kind,
        "run": run,
        "when": began,
        "state": "running" if alive else "ended",
        "mark": "wait" if alive else "calm",
        "past": list(reversed(dues))[:RUNS_SHOWN],
    }


def _params(workspace: Workspace) -> Params:
    return load_params(workspace.params)


LANES_SHOWN = 8
LOOKUPS: Mapping[str, Callable[[Workspace], Any]] = {
    "params": _params,
    "windows": _windows,
    "events": _events,
    "champion": _champion,
    "versions": _versions,
    "alerts": _alerts,
    "runs": _runs,
}
