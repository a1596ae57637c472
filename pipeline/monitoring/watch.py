"""One pass of the watch: report each window that has ended, detect changes, roll back if needed, send alerts.

A window is one file, written atomically; a pass that was killed continues in the next one.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from pipeline.base import logs, times
from pipeline.base.config import Params, Workspace
from pipeline.base.documents import WatchSummary, WindowReport
from pipeline.base.errors import TonewatchError, UsageError
from pipeline.base.records import Alert
from pipeline.core.monitor import quiet_period
from pipeline.core.monitor.windows import Window, due_windows
from pipeline.io import alerts, files, locks
from pipeline.io.journal.journal import Journal
from pipeline.io.journal.reader import END_OF_TIME, JournalReader, PredictionCount
from pipeline.io.params_file import load_params
from pipeline.io.sources import feedback
from pipeline.monitoring import audit_labels, auto_rollback
from pipeline.monitoring.labelled import LabelPairs, read_labelled
from pipeline.monitoring.late_texts import closed_by, count_too_late
from pipeline.monitoring.model_change import drifted_windows, find_topic_changes, measure_model_change
from pipeline.monitoring.reference import ReferenceCache
from pipeline.monitoring.window_alerts import alerts_from_windows
from pipeline.monitoring.window_counts import (
    ALL,
    WindowPredictions,
    choose_topics,
    count_releases,
    count_window,
)
from pipeline.monitoring.window_files import read_window, read_windows, set_aside_future, window_paths
from pipeline.monitoring.window_report import describe_topics

log = logs.get("watch")


def run_watch(
    workspace: Workspace, *, now: str | None = None, actor: str = "tonewatch watch"
) -> WatchSummary:
    """Report all due windows, raise and send alerts, and roll back a champion with a significant regression.

    `now` is a UTC time, by default the clock's. Predictions dated after it belong to no window and are
    counted. Windows that end after it were reported by a clock that was ahead, and are set aside. Concurrent
    passes run one after the other. Raises UsageError for a `now` that is no time.
    """
    params, now = load_params(workspace.params), _parse_now(now)
    with locks.folder_lock(workspace.windows):
        journal = Journal.reading(workspace.journal, late_hours=params.watch.lateness_hours)
        references = ReferenceCache(workspace)
        set_aside = set_aside_future(workspace, now=times.parse_time(now))
        due = _due_windows(workspace, journal, now, params)
        written = [window for window in due if write_window(workspace, journal, references, window, params)]
        change_points = find_topic_changes(read_windows(workspace), params)
        files.write_json(workspace.windows / "events.json", change_points)
        drawn = _draw_audit(workspace, now=now, params=params)
        decision = _decide_rollback(workspace, journal, references, now=now, params=params)
        move = auto_rollback.rollback_if_degraded(workspace, decision, actor=actor)
        new_windows = [read_window(_window_path(workspace, window)) for window in written]
        candidates = [
            *alerts_from_windows(new_windows, change_points),
            *decision.alerts(rolled_back=move is not None),
        ]
        raised = _raise_alerts(workspace, candidates, now=now, params=params)
    delivery = alerts.deliver_alerts(workspace.alerts, workspace.alert_urls)
    new_labels = feedback.count_new_labels(workspace, params.collect)
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
        "retrain": _retrain_reason(raised, new_labels, params),
    }


def _decide_rollback(
    workspace: Workspace, journal: JournalReader, references: ReferenceCache, *, now: str, params: Params
) -> auto_rollback.RollbackDecision:
    """Judge the champion; where a release cannot be loaded now, this pass still sends its alerts."""
    try:
        return auto_rollback.decide_rollback(workspace, journal, references, now=now, params=params)
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


def write_window(
    workspace: Workspace, journal: JournalReader, references: ReferenceCache, window: Window, params: Params
) -> bool:
    """Write the report of one window, before or after others; return whether there were predictions in it."""
    start, end = times.to_micros(window.start), times.to_micros(window.end)
    counts = journal.counts(start, end)
    if not counts:
        return False
    releases = count_releases(counts)
    reference = references.get(max(releases, key=lambda name: releases[name]))
    earlier = [one for one in read_windows(workspace) if one["window"]["start"] < window.start]
    recent = earlier[-params.watch.drift.of_windows :]
    named = _named_topics(counts, recent, window, params)
    predictions = count_window(journal, counts, start=start, end=end, release=reference.name, named=named)
    model_change = None
    if earlier and earlier[-1]["release"] != reference.name:
        model_change = measure_model_change(
            references, reference, predictions, previous=earlier[-1]["release"], params=params
        )
    report: WindowReport = {
        "window": {"start": window.start, "end": window.end},
        "release": reference.name,
        "data_version": reference.record["data_version"],
        "predictions": predictions.topics[ALL].texts,
        "releases": releases,
        "topics": describe_topics(
            reference,
            predictions,
            _labels_by_topic(journal, predictions),
            window=window,
            cfg=params.watch,
            seed=params.seed,
            drifted=drifted_windows(recent, reference.name),
        ),
        "model_change": model_change,
        "other_topics": len({count.topic for count in counts} - named),
    }
    files.write_json(_window_path(workspace, window), report)
    log.info("window.written", start=window.start, predictions=sum(releases.values()), release=reference.name)
    return True


def _named_topics(
    counts: Sequence[PredictionCount], recent: Sequence[WindowReport], window: Window, params: Params
) -> frozenset[str]:
    """Choose the topics of a window that are reported by name, and say how many others are one topic."""
    known = {topic for report in recent for topic in report["topics"]}
    most = params.serve.max_topics
    named = choose_topics(counts, known=known, most=most)
    if others := len({count.topic for count in counts} - named):
        log.warning("topics.merged", topics=others, limit=most, start=window.start)
    return named


def _labels_by_topic(journal: JournalReader, predictions: WindowPredictions) -> dict[str, LabelPairs]:
    pairs = {ALL: LabelPairs()}
    labelled = read_labelled(journal, predictions.release, since=predictions.start, until=predictions.end)
    for prediction in labelled:
        for topic in (ALL, predictions.group_of(prediction.entry.topic)):
            pairs.setdefault(topic, LabelPairs()).add(prediction)
    return pairs


def _window_path(workspace: Workspace, window: Window) -> Path:
    return workspace.windows / f"{window.name}.json"


def _raise_alerts(
    workspace: Workspace, candidates: Sequence[Alert], *, now: str, params: Params
) -> list[Alert]:
    """Put the alerts that no quiet period silences into the outbox."""
    past = [entry.alert for entry in alerts.list_outbox(workspace.alerts)]
    linked = [replace(alert, link=_link(workspace, alert)) for alert in candidates]
    raised = quiet_period.filter_quiet(linked, past, now=now, quiet_hours=params.watch.quiet_hours)
    alerts.add_alerts(workspace.alerts, raised)
    return raised


def _link(workspace: Workspace, alert: Alert) -> str:
    """Return the address of the topic's page, or the windows' folder without a dashboard address."""
    if not workspace.dashboard:
        return str(workspace.windows)
    if alert.topic == ALL:
        return f"{workspace.dashboard}/"
    return f"{workspace.dashboard}/topics/{quote(alert.topic, safe='')}"


def _retrain_reason(raised: Sequence[Alert], new_labels: int, params: Params) -> str | None:
    """Return why retraining is recommended; None where it is not."""
    requests = [alert.title for alert in raised if alert.requests_retrain]
    if requests and params.schedule.retrain_on_alert:
        return "; ".join(requests)
    if new_labels >= params.schedule.retrain_on_labels:
        return f"{new_labels:,} new labels since the data were collected"
    return None
