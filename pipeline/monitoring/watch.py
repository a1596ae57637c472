"""One pass of the watch: every window that has ended since the last pass, what it tells, whom to tell, and whether to go back.

A window is a file, written whole; a pass that was killed is taken up by the next one where it stopped.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from pipeline.base import logs
from pipeline.base.config import Params, Places
from pipeline.base.errors import WrongUse
from pipeline.base.records import Alert
from pipeline.core.monitor import quiet_period, windows
from pipeline.core.monitor.windows import Window
from pipeline.io import alerts, files, locks
from pipeline.io.journal.journal import Journal, newest_of
from pipeline.io.params_file import load_params
from pipeline.io.sources import feedback
from pipeline.monitoring import auto_rollback
from pipeline.monitoring.model_change import breaking, drifted, events, known
from pipeline.monitoring.reference import Watched
from pipeline.monitoring.window_alerts import noticed
from pipeline.monitoring.window_report import ALL, Told, describe

log = logs.get("watch")
FOR_EVER = "9999"


def watch(places: Places, *, now: str | None = None, actor: str = "tonewatch watch") -> dict[str, Any]:
    """Watch all windows that are due, raise and send what should be known, and go back from a release that surely fails.

    `now` is a UTC time, by default the clock's; answers dated after it belong to no window and are counted. Two passes at once
    take turns. Raises WrongUse for a `now` that is no time.
    """
    params, now = load_params(places.params), _time(now)
    with locks.alone(places.windows):
        journal = Journal.reading(places.journal)
        watched = Watching(places, journal, params)
        written = [name for window in _due(places, journal, now, params) if (name := watched.written(window))]
        seen = known(places)
        files.write_json(places.windows / "events.json", happened := events(seen, params))
        baked = auto_rollback.judged(places, journal, now=now, params=params)
        moved = auto_rollback.taken_back(places, baked, actor=actor)
        raised = _raised(places, [*noticed(seen, happened, written), *baked.alerts(moved)], now=now, params=params)
    delivered = alerts.deliver(places.alerts, places.alert_urls)
    hard = [alert for alert in raised if alert.hard]
    fresh = feedback.fresh(places, params.collect)
    return {
        "now": now,
        "windows": written,
        "future": sum(1 for _ in journal.answers(windows.stamped(now), FOR_EVER)),
        "alerts": [alert.title for alert in raised],
        "undelivered": delivered.waiting,
        "moved": moved and moved.as_dict(),
        "labels": fresh,
        "retrain": _asked(hard, fresh, params),
    }


def _time(told: str | None) -> str:
    try:
        return windows.spoken(windows.moment(told) if told else datetime.now(UTC))
    except ValueError:
        raise WrongUse(f"{told!r} is no time. Write it in UTC as 2026-11-25T08:00:00Z.") from None


def _due(places: Places, journal: Journal, now: str, params: Params) -> list[Window]:
    cfg = params.watch
    last = max((path.stem for path in places.windows.glob("2*.json")), default=None)
    since = files.read_json(places.windows / f"{last}.json")["window"]["end"] if last else journal.first()
    return windows.due(since=since, now=now, minutes=cfg.window_minutes, most=cfg.catch_up_windows) if since else []


@dataclass(frozen=True)
class Watching:
    """Hold a pass: each release of it is opened once."""

    places: Places
    journal: Journal
    params: Params
    _opened: dict[str, Watched] = field(default_factory=dict)

    def written(self, window: Window) -> str | None:
        """Write the document of one window, if anything was answered in it; give its name."""
        start, end = windows.stamped(window.start), windows.stamped(window.end)
        answers = list(self.journal.answers(start, end))
        if not answers:
            return None
        watched = self._release(Counter(answer.release for answer in answers).most_common(1)[0][0])
        mine = [answer for answer in answers if answer.release == watched.name]
        told = [pair for pair in _told(self.journal, start, end) if pair[1].release == watched.name]
        before = drifted(known(self.places)[-self.params.watch.drift.of_windows :], watched.name)
        document = describe(watched, mine, told, window=window, cfg=self.params.watch, seed=self.params.seed, before=before)
        document["releases"] = dict(Counter(answer.release for answer in answers))
        document["break"] = breaking(self.places, watched, mine, self.params)
        files.write_json(self.places.windows / f"{window.name}.json", document)
        log.info("window", start=window.start, answers=len(answers), release=watched.name)
        return window.name

    def _release(self, name: str) -> Watched:
        if name not in self._opened:
            self._opened[name] = Watched.of(self.places, name)
        return self._opened[name]


def _told(journal: Journal, start: str, end: str) -> list[Told]:
    entries = newest_of(journal.labels(start, end))
    found = journal.find_all((entry.request, entry.position) for entry in entries)
    return [(entry.label, found[name]) for entry in entries if (name := (entry.request, entry.position)) in found]


def _raised(places: Places, candidates: Sequence[Alert], *, now: str, params: Params) -> list[Alert]:
    past = [entry.alert for entry in alerts.listing(places.alerts)]
    linked = [replace(alert, link=_link(places, alert)) for alert in candidates]
    raised = quiet_period.raised(linked, past, now=now, quiet_hours=params.watch.quiet_hours)
    alerts.raise_alerts(places.alerts, raised)
    return raised


def _link(places: Places, alert: Alert) -> str:
    """Lead to the page of the alert's topic; where nobody said where the dashboard is, to the folder of the windows."""
    if not places.dashboard:
        return str(places.windows)
    return f"{places.dashboard}/" if alert.topic == ALL else f"{places.dashboard}/topics/{quote(alert.topic, safe='')}"


def _asked(hard: Sequence[Alert], fresh: int, params: Params) -> str | None:
    """Say why a new training is due, if it is."""
    if hard and params.schedule.retrain_on_alert:
        return "; ".join(alert.title for alert in hard)
    if fresh >= params.schedule.retrain_on_labels:
        return f"{fresh} true labels are new since the data were collected"
    return None
