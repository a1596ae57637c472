"""One pass of the watch: report each window that has ended, detect changes, roll back if needed, send alerts.

A window is one file, written atomically; a pass that was killed continues in the next one, which raises the
alerts that are missing.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote

from pipeline.base import logs, times
from pipeline.base.config import Params, Workspace
from pipeline.base.documents import WatchSummary
from pipeline.base.documents.audit import AuditLabel
from pipeline.base.errors import TonewatchError, UsageError
from pipeline.base.records import Alert
from pipeline.core.blas import one_blas_thread
from pipeline.core.monitor import quiet_period
from pipeline.core.monitor.windows import Window, due_windows
from pipeline.io import alerts, locks
from pipeline.io.journal.journal import Journal
from pipeline.io.journal.reader import END_OF_TIME, JournalReader
from pipeline.io.params_file import load_params
from pipeline.io.registry.ledger import Ledger
from pipeline.io.sources import labelled_texts
from pipeline.monitoring import audit_labels, auto_rollback
from pipeline.monitoring.begun_rollback import end_rollback, record_rollback, unraised_rollback
from pipeline.monitoring.changes import find_changes, write_changes
from pipeline.monitoring.reference import ReferenceCache, not_watched
from pipeline.monitoring.window_alerts import alerts_from_changes
from pipeline.monitoring.window_writer import WindowWriter
from pipeline.monitoring.windows.counts import ALL
from pipeline.monitoring.windows.files import read_series, read_window, set_aside_future, window_paths
from pipeline.monitoring.windows.late_texts import closed_by, count_too_late
from pipeline.release import promote

# So long an alert asks for a retrain that was not made.
ASKING_HOURS = 24
log = logs.get("watch")


def run_watch(
    workspace: Workspace,
    *,
    now: str | None = None,
    actor: str = "tonewatch watch",
    audited: Sequence[AuditLabel] | None = None,
) -> WatchSummary:
    """Report all due windows, raise and send alerts, and roll back a champion with a significant regression.

    `now` is a UTC time, by default the clock's. Predictions dated after it belong to no window and are
    counted. Windows that end after it were reported by a clock that was ahead, and are set aside. Concurrent
    passes run one after the other. `audited` are the audit labels that shares are corrected and releases are
    judged by, those of the workspace if None. Raises UsageError for a `now` that is no time.
    """
    params, now = load_params(workspace.params), _parse_now(now)
    if reason := not_watched(workspace):
        return _without_windows(workspace, params, reason, now=now)
    with locks.folder_lock(workspace.windows), one_blas_thread():
        journal = Journal.reading(workspace.journal, late_hours=params.watch.lateness_hours)
        references = ReferenceCache(workspace)
        set_aside = set_aside_future(workspace, now=times.parse_time(now))
        drawn = _draw_audit(workspace, now=now, params=params)
        labels = _read_labels(workspace) if audited is None else audited
        writer = WindowWriter(workspace, journal, references, labels, params)
        due = _due_windows(workspace, journal, now, params)
        written = [window for window in due if writer.write(window)]
        raised, move = _act(writer, now=now, actor=actor)
    delivery = alerts.deliver_alerts(workspace.alerts, workspace.alert_urls)
    new_labels = labelled_texts.count_new_labels(workspace, params.collect)
    return {
        "now": now,
        "windows": [window.name for window in written],
        "future": journal.count(times.to_micros(now), END_OF_TIME),
        "set_aside": set_aside,
        "too_late": count_too_late(journal, due, params.watch),
        "alerts": [alert.title for alert in raised],
        "undelivered": delivery.waiting,
        "rollback": move.as_dict() if move else None,
        "labels": new_labels,
        "drawn": drawn,
        "retrain": _retrain_reason(_asking(workspace, raised, now=now), new_labels, params),
    }


def _without_windows(workspace: Workspace, params: Params, reason: str, *, now: str) -> WatchSummary:
    log.warning("watch.left_out", reason=reason)
    new_labels = labelled_texts.count_new_labels(workspace, params.collect)
    delivery = alerts.deliver_alerts(workspace.alerts, workspace.alert_urls)
    return {
        "now": now,
        "left_out": reason,
        "windows": [],
        "future": 0,
        "set_aside": [],
        "too_late": 0,
        "alerts": [],
        "undelivered": delivery.waiting,
        "rollback": None,
        "labels": new_labels,
        "drawn": 0,
        "retrain": _retrain_reason([], new_labels, params),
    }


def _act(writer: WindowWriter, *, now: str, actor: str) -> tuple[list[Alert], promote.MoveResult | None]:
    """Find changes, roll back if needed, and put the alerts into the outbox; return them and the move."""
    workspace, params = writer.workspace, writer.params
    # Of a pass that died after its rollback.
    unraised = unraised_rollback(workspace)
    changes = find_changes(workspace, read_series(workspace), now=now, params=params)
    decision = _decide_rollback(writer, now=now)
    record_rollback(workspace, decision)
    move = auto_rollback.rollback_if_degraded(workspace, decision, actor=actor)
    candidates = [
        *alerts_from_changes(changes.new_alarms, changes.new_change_points, params=params),
        *unraised,
        *decision.alerts(rolled_back=move is not None),
    ]
    raised = _raise_alerts(workspace, candidates, now=now, params=params)
    write_changes(workspace, changes)
    end_rollback(workspace)
    return raised, move


def _decide_rollback(writer: WindowWriter, *, now: str) -> auto_rollback.RollbackDecision:
    """Judge the champion; where a release cannot be loaded now, this pass still sends its alerts."""
    try:
        return auto_rollback.decide_rollback(
            writer.workspace,
            writer.journal,
            writer.references,
            writer.audited,
            now=now,
            params=writer.params,
        )
    except TonewatchError as error:
        log.error("rollback.not_judged", reason=str(error))
        return auto_rollback.RollbackDecision(now)


def _draw_audit(workspace: Workspace, *, now: str, params: Params) -> int:
    """Draw predictions to be labelled; where that fails, the pass goes on and the next one draws them."""
    try:
        return audit_labels.draw(workspace, now=now, params=params)
    except TonewatchError as error:
        log.error("audit.not_drawn", reason=str(error))
        return 0


def _read_labels(workspace: Workspace) -> list[AuditLabel]:
    """Read the audit labels; where that fails, the pass goes on and corrects nothing."""
    try:
        return list(audit_labels.read_audit_labels(workspace))
    except TonewatchError as error:
        log.error("audit.unreadable", reason=str(error))
        return []


def _parse_now(now: str | None) -> str:
    try:
        return times.format_seconds(times.parse_time(now) if now else datetime.now(UTC))
    except ValueError:
        raise UsageError(f"{now!r} is no time. Write it in UTC as 2026-11-25T08:00:00Z.") from None


def _due_windows(workspace: Workspace, journal: JournalReader, now: str, params: Params) -> list[Window]:
    cfg, paths = params.watch, window_paths(workspace)
    since = read_window(paths[-1])["window"]["end"] if paths else journal.first_time()
    if not since:
        return []
    now = closed_by(journal, cfg, since=since, now=now)
    return due_windows(since=since, now=now, minutes=cfg.window_minutes, most=cfg.catch_up_windows)


def _raise_alerts(
    workspace: Workspace, candidates: Sequence[Alert], *, now: str, params: Params
) -> list[Alert]:
    """Put the alerts that no quiet period silences into the outbox."""
    past = [entry.alert for entry in alerts.list_outbox(workspace.alerts)]
    linked = [replace(alert, link=_link(workspace, alert)) for alert in candidates]
    raised = quiet_period.filter_quiet(linked, past, now=now, quiet_hours=params.watch.quiet_hours)
    return alerts.add_alerts(workspace.alerts, raised)


def _link(workspace: Workspace, alert: Alert) -> str:
    """Return the address of the topic's page, or the windows' folder without a dashboard address."""
    if not workspace.dashboard:
        return str(workspace.windows)
    if alert.topic == ALL:
        return f"{workspace.dashboard}/"
    return f"{workspace.dashboard}/topics/{quote(alert.topic, safe='')}"


def _asking(workspace: Workspace, raised: Sequence[Alert], *, now: str) -> list[Alert]:
    """Return the alerts of the last day that ask for a retrain, and that no release has followed yet.

    A pass may die before it requests the retrain, and a run may fail: the next pass asks again.
    """
    since = times.parse_time(times.hours_before(now, hours=ASKING_HOURS))
    releases = Ledger(workspace.ledger).releases()
    judged = max((times.parse_time(release.created) for release in releases), default=since)
    stored = {
        (entry.alert.key, entry.alert.time): entry.alert for entry in alerts.list_outbox(workspace.alerts)
    }
    pending = (alert for alert in stored.values() if times.parse_time(alert.time) > max(since, judged))
    new = {(alert.key, alert.time): alert for alert in raised}
    asking = {(alert.key, alert.time): alert for alert in pending} | new
    return [alert for alert in asking.values() if alert.requests_retrain]


def _retrain_reason(asking: Sequence[Alert], new_labels: int, params: Params) -> str | None:
    """Return why retraining is recommended; None where it is not."""
    if asking and params.schedule.retrain_on_alert:
        return "; ".join(dict.fromkeys(alert.title for alert in asking))
    if new_labels >= params.schedule.retrain_on_labels:
        return f"{new_labels:,} new labels since the data were collected"
    return None
