"""Texts that come later than they were written: when a window is closed, and how many come after that."""

from collections.abc import Sequence
from datetime import timedelta

from pipeline.base import times
from pipeline.base.config import WatchConfig
from pipeline.core.monitor.windows import Window, window_start
from pipeline.io.journal.reader import JournalReader
from pipeline.io.journal.retention import HOUR

HISTORY = "history"  # who sent the texts of a table of the past, as the journal names it


def closed_by(journal: JournalReader, cfg: WatchConfig, *, since: str, now: str) -> str:
    """Return the time up to which windows are closed.

    Where texts say when they were written, a window waits for late ones; otherwise nothing can be late.
    """
    if journal.event_times.any(times.to_micros(since), times.to_micros(now)):
        return times.hours_before(now, hours=cfg.lateness_hours)
    return now


def count_too_late(journal: JournalReader, windows: Sequence[Window], cfg: WatchConfig) -> int:
    """Count the texts that came in the time of these windows, and belong to one that was closed already.

    Those of a history are not counted.
    """
    if not windows:
        return 0
    first, last, total = times.to_micros(windows[0].start), times.to_micros(windows[-1].end), 0
    for hour in journal.event_times.hours():
        begin = times.parse_time(f"{hour}:00:00Z")
        if first[:HOUR] <= hour and times.format_micros(begin + timedelta(hours=1)) <= last:
            closed = window_start(begin - timedelta(hours=cfg.lateness_hours), cfg.window_minutes)
            # A history is late by its nature, and reported by a replay.
            total += journal.event_times.count_before(hour, times.format_micros(closed), but_for=HISTORY)
    return total
