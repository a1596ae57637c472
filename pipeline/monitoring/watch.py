"""One pass of the watch: every window that has ended since the last pass, what it tells, whom to tell, and whether to go back.

A window is a file, written whole; a pass that was killed is taken up by the next one where it stopped.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from pipeline.base import logs, times
from pipeline.base.config import Params, Workspace
from pipeline.base.errors import UsageError
from pipeline.base.records import Alert
from pipeline.core.monitor import quiet_period, windows
from pipeline.core.monitor.windows import Window
from pipeline.io import alerts, files, locks
from pipeline.io.journal.journal import Journal, latest_labels
from pipeline.io.params_file import load_params
from pipeline.io.sources import feedback
from pipeline.monitoring import auto_rollback
from pipeline.monitoring.model_change import (
    drifted_windows,
    find_topic_changes,
    measure_model_change,
    read_windows,
)
from pipeline.monitoring.reference import ReleaseReference
from pipeline.monitoring.window_alerts import alerts_from_windows
from pipeline.monitoring.window_report import ALL, LabelledEntry, describe_window

log = logs.get("watch")
FOR_EVER = "9999"


def run_watch(
    workspace: Workspace, *, now: str | None = None, actor: str = "tonewatch watch"
) -> dict[str, Any]:
    """Watch all windows that are due, raise and send what should be known, and go back from a release that surely fails.

    `now` is a UTC time, by default the clock's; answers dated after it belong to no window and are counted. Two passes at once
    take turns. Raises WrongUse for a `now` that is no time.
    """
    params, now = load_params(workspace.params), _time(now)
    with locks.folder_lock(workspace.windows):
        journal = Journal.reading(workspace.journal)
        watched = WatchPass(workspace, journal, params)
        written = [
            name for window in _due(workspace, journal, now, params) if (name := watched.written(window))
        ]
        seen = read_windows(workspace)
        files.write_json(workspace.windows / "events.json", happened := find_topic_changes(seen, params))
        baked = auto_rollback.judge_champion(workspace, journal, now=now, params=params)
        moved = auto_rollback.rollback_if_degraded(workspace, baked, actor=actor)
        raised = _raised(
            workspace,
            [*alerts_from_windows(seen, happened, written), *baked.alerts(moved)],
            now=now,
            params=params,
        )
    delivered = alerts.deliver_alerts(workspace.alerts, workspace.alert_urls)
    hard = [alert for alert in raised if alert.hard]
    fresh = feedback.count_new_labels(workspace, params.collect)
    return {
        "now": now,
        "windows": written,
        "future": sum(1 for _ in journal.answers(times.to_micros(now), FOR_EVER)),
        "alerts": [alert.title for alert in raised],
        "undelivered": delivered.waiting,
        "moved": moved and moved.as_dict(),
        "labels": fresh,
        "retrain": _asked(hard, fresh, params),
    }


def _time(told: str | None) -> str:
    try:
        return times.format_seconds(times.parse_time(told) if told else datetime.now(UTC))
    except ValueError:
        raise UsageError(f"{told!r} is no time. Write it in UTC as 2026-11-25T08:00:00Z.") from None


def _due(workspace: Workspace, journal: Journal, now: str, params: Params) -> list[Window]:
    cfg = params.watch
    last = max((path.stem for path in workspace.windows.glob("2*.json")), default=None)
    since = files.read_json(workspace.windows / f"{last}.json")["window"]["end"] if last else journal.first()
    return (
        windows.due_windows(since=since, now=now, minutes=cfg.window_minutes, most=cfg.catch_up_windows)
        if since
        else []
    )


@dataclass(frozen=True)
class WatchPass:
    """Hold a pass: each release of it is opened once."""

    workspace: Workspace
    journal: Journal
    params: Params
    _opened: dict[str, ReleaseReference] = field(default_factory=dict)

    def written(self, window: Window) -> str | None:
        """Write the document of one window, if anything was answered in it; give its name."""
        start, end = times.to_micros(window.start), times.to_micros(window.end)
        answers = list(self.journal.answers(start, end))
        if not answers:
            return None
        watched = self._release(Counter(answer.release for answer in answers).most_common(1)[0][0])
        mine = [answer for answer in answers if answer.release == watched.name]
        told = [pair for pair in _told(self.journal, start, end) if pair[1].release == watched.name]
        before = drifted_windows(
            read_windows(self.workspace)[-self.params.watch.drift.of_windows :], watched.name
        )
        document = describe_window(
            watched, mine, told, window=window, cfg=self.params.watch, seed=self.params.seed, before=before
        )
        document["releases"] = dict(Counter(answer.release for answer in answers))
        document["break"] = measure_model_change(self.workspace, watched, mine, self.params)
        files.write_json(self.workspace.windows / f"{window.name}.json", document)
        log.info("window", start=window.start, answers=len(answers), release=watched.name)
        return window.name

    def _release(self, name: str) -> ReleaseReference:
        if name not in self._opened:
            self._opened[name] = ReleaseReference.of(self.workspace, name)
        return self._opened[name]


def _told(journal: Journal, start: str, end: str) -> list[LabelledEntry]:
    entries = latest_labels(journal.labels(start, end))
    found = journal.find_all((entry.request, entry.position) for entry in entries)
    return [
        (entry.label, found[name]) for entry in entries if (name := (entry.request, entry.position)) in found
    ]


def _raised(workspace: Workspace, candidates: Sequence[Alert], *, now: str, params: Params) -> list[Alert]:
    past = [entry.alert for entry in alerts.list_outbox(workspace.alerts)]
    linked = [replace(alert, link=_link(workspace, alert)) for alert in candidates]
    raised = quiet_period.filter_quiet(linked, past, now=now, quiet_hours=params.watch.quiet_hours)
    alerts.add_alerts(workspace.alerts, raised)
    return raised


def _link(workspace: Workspace, alert: Alert) -> str:
    """Lead to the page of the alert's topic; where nobody said where the dashboard is, to the folder of the windows."""
    if not workspace.dashboard:
        return str(workspace.windows)
    return (
        f"{workspace.dashboard}/"
        if alert.topic == ALL
        else f"{workspace.dashboard}/topics/{quote(alert.topic, safe='')}"
    )


def _asked(hard: Sequence[Alert], fresh: int, params: Params) -> str | None:
    """Say why a new training is due, if it is."""
    if hard and params.schedule.retrain_on_alert:
        return "; ".join(alert.title for alert in hard)
    if fresh >= params.schedule.retrain_on_labels:
        return f"{fresh} true labels are new since the data were collected"
    return None
