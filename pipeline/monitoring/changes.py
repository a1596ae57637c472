"""What has changed since: baselines are learnt, alarms start and end, and change points are found and frozen.

    baseline-R1.json   what each topic was like in its learning time, written once for each topic
    changes.json       the state of each topic and all alarms, up to the newest window
    events.json        the change points of each topic

A pass judges only windows that no pass before has judged. It writes its findings after their alerts are in
the outbox, so a pass that was killed is repeated with the same alerts, which the outbox stores once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from pipeline.base.config import Params, Workspace
from pipeline.base.documents import (
    ChangeAlarm,
    ChangePoint,
    ChangeStates,
    WindowReport,
)
from pipeline.core.monitor.alarm_budget import evidence_threshold, share_of
from pipeline.core.monitor.change import alarms as alarm_rules
from pipeline.core.monitor.change.baseline import TopicWindow
from pipeline.core.monitor.change.cycles import CycleName
from pipeline.core.monitor.change.events import name_same_change_points, name_same_events
from pipeline.core.monitor.change.profile import MODEL_FREE
from pipeline.core.monitor.change.silence import find_silence
from pipeline.core.monitor.windows import windows_per_quarter
from pipeline.io import files
from pipeline.monitoring.baselines import Baselines, learn_topics, read_baselines
from pipeline.monitoring.model_change import find_topic_changes
from pipeline.monitoring.topic_states import describe_states
from pipeline.monitoring.window_counts import ALL

MAX_ALARMS = 1000  # the newest are kept


@dataclass(frozen=True)
class Changes:
    """What a pass found: all alarms and change points, and those that are new."""

    states: ChangeStates
    change_points: Mapping[str, Sequence[ChangePoint]]
    new_alarms: Sequence[ChangeAlarm]
    new_change_points: Mapping[str, Sequence[ChangePoint]]


def read_states(workspace: Workspace) -> ChangeStates:
    """Read the state of each topic and all alarms; where no pass has judged yet, there are none."""
    path = workspace.windows / "changes.json"
    if not path.is_file():
        return {"judged": "", "topics": {}, "alarms": []}
    return cast(ChangeStates, files.read_json(path))


def read_change_points(workspace: Workspace) -> dict[str, list[ChangePoint]]:
    """Read the change points of each topic."""
    path = workspace.windows / "events.json"
    return dict(files.read_json(path)) if path.is_file() else {}


def write_changes(workspace: Workspace, changes: Changes) -> None:
    """Write what a pass found, the state last: until then the next pass finds it again."""
    files.write_json(workspace.windows / "events.json", changes.change_points)
    files.write_json(workspace.windows / "changes.json", changes.states)


def find_changes(
    workspace: Workspace, windows: Sequence[WindowReport], *, now: str, params: Params
) -> Changes:
    """Learn what is due, judge the windows that no pass has judged, and look for topics that fell silent."""
    states, points = read_states(workspace), read_change_points(workspace)
    if not windows:
        return Changes(states, points, (), {})
    judged, alarms = _judged_until(states, points), list(states["alarms"])
    new_points = find_topic_changes(windows, params, frozen=points, read_until=judged)
    for end in _release_ends(windows, judged):
        pass_ = _Pass.of(workspace, windows[:end], judged, params)
        alarms, judged = pass_.judge(alarms), windows[end - 1]["window"]["start"]
    alarms = pass_.look_for_silence(alarms, now=now)
    known, minutes = {_identity(alarm) for alarm in states["alarms"]}, params.watch.window_minutes
    old = [alarm for alarm in alarms if _identity(alarm) in known]
    new = [alarm for alarm in alarms if _identity(alarm) not in known]
    new = name_same_events(new, old, points, minutes=minutes)
    new_points = name_same_change_points(new_points, points, [*old, *new], minutes=minutes)
    after: ChangeStates = {
        "judged": judged,
        "topics": describe_states(pass_.topics, pass_.baselines, windows, params=params),
        "alarms": sorted([*old, *new], key=lambda alarm: alarm["detected"])[-MAX_ALARMS:],
    }
    names = dict.fromkeys((*points, *new_points))
    merged = {name: [*points.get(name, ()), *new_points.get(name, ())] for name in names}
    return Changes(after, merged, new, new_points)


@dataclass(frozen=True)
class _Pass:
    """One pass over the windows up to the newest, whose release is in service."""

    windows: Sequence[WindowReport]
    topics: Mapping[str, Sequence[TopicWindow]]
    baselines: Baselines
    judged: str
    threshold: float
    params: Params

    @classmethod
    def of(
        cls, workspace: Workspace, windows: Sequence[WindowReport], judged: str, params: Params
    ) -> "_Pass":
        """Read the baselines, and learn the topics whose learning time is over."""
        baselines = read_baselines(workspace, windows)
        names = _judged_topics(windows, baselines, params)
        topics = {name: _topic_windows(windows, name) for name in names}
        cfg = params.watch
        threshold = evidence_threshold(
            share_of(cfg.false_alarms_per_quarter, "drift"),
            detectors=len(topics) * len(alarm_rules.KINDS),
            windows_per_quarter=windows_per_quarter(cfg.window_minutes),
        )
        learn_topics(workspace, baselines, topics, params=params, log_threshold=threshold)
        return cls(windows, topics, baselines, judged, threshold, params)

    def judge(self, alarms: Sequence[ChangeAlarm]) -> list[ChangeAlarm]:
        """Return the alarms after the windows that no pass has judged."""
        alarms = _end_with_release(alarms, self.windows)
        gone = [alarm for alarm in alarms if alarm["topic"] not in self.topics]
        return [*gone, *(alarm for topic in self.topics for alarm in self._judge_topic(topic, alarms))]

    def _judge_topic(self, topic: str, alarms: Sequence[ChangeAlarm]) -> list[ChangeAlarm]:
        own, baseline = [a for a in alarms if a["topic"] == topic], self.baselines.of(topic)
        if baseline is None:
            return own
        learnt = topic in self.baselines.current
        profiled = [
            window
            for window in self.topics[topic]
            if window.profile and (window.release == self.baselines.release or not learnt)
        ]
        return alarm_rules.judge_topic(
            topic,
            profiled,
            baseline,
            own,
            judged=self.judged,
            minutes=self.params.watch.window_minutes,
            log_threshold=self.threshold,
            model_free=not learnt,
        )

    def look_for_silence(self, alarms: Sequence[ChangeAlarm], *, now: str) -> list[ChangeAlarm]:
        """End the silences of topics that have texts again, and find new ones; one where all are silent."""
        last = {topic: windows[-1].start for topic, windows in self.topics.items() if windows}
        after: list[ChangeAlarm] = [
            {**alarm, "until": last[alarm["topic"]]} if _has_texts_again(alarm, last) else alarm
            for alarm in alarms
        ]
        standing = {a["topic"] for a in after if a["kind"] == "silence" and a["until"] is None}
        for topic in sorted(last, key=lambda topic: (topic != ALL, topic)):
            silent = None if {topic, ALL} & standing else self._silence(topic, last[topic], now)
            if silent:
                standing.add(topic)
                after.append(silent)
        return after

    def _silence(self, topic: str, last: str, now: str) -> ChangeAlarm | None:
        baseline, cfg = self.baselines.of(topic), self.params.watch
        silence = baseline and find_silence(
            baseline["active"],
            cast(CycleName, baseline["activity_cycle"]),
            after=last,
            until=now,
            minutes=cfg.window_minutes,
            min_texts=cfg.min_texts,
        )
        if not silence:
            return None
        return {
            "topic": topic,
            "kind": "silence",
            "series": "texts",
            "release": self.baselines.release,
            "since": silence.since,
            "detected": silence.shown_by,
            "until": None,
            "before": silence.usual_texts,
            "after": 0.0,
        }


def _has_texts_again(alarm: ChangeAlarm, last: Mapping[str, str]) -> bool:
    silent = alarm["kind"] == "silence" and alarm["until"] is None
    return silent and last.get(alarm["topic"], "") >= alarm["since"]


def _end_with_release(alarms: Iterable[ChangeAlarm], windows: Sequence[WindowReport]) -> list[ChangeAlarm]:
    """End the alarms about what another release predicted: what is usual is learnt anew."""
    release = windows[-1]["release"]
    since = _same_release(windows, release)[0]["window"]["start"]
    return [
        {**alarm, "until": since}
        if alarm["until"] is None
        and alarm["release"] != release
        and alarm["kind"] != "silence"
        and alarm["series"].partition("/")[0] not in MODEL_FREE
        else alarm
        for alarm in alarms
    ]


def _same_release(windows: Sequence[WindowReport], release: str) -> list[WindowReport]:
    """Return the windows since the release last came into service."""
    first = len(windows)
    while first and windows[first - 1]["release"] == release:
        first -= 1
    return list(windows[first:])


def _judged_until(states: ChangeStates, points: Mapping[str, Sequence[ChangePoint]]) -> str:
    """Return the newest judged window; what an earlier version judged stays judged."""
    if states["judged"] or not points:
        return states["judged"]
    return max((point["detected"] for topic in points.values() for point in topic), default="")


def _identity(alarm: ChangeAlarm) -> tuple[str, str, str]:
    return alarm["topic"], alarm["kind"], alarm["detected"]


def _release_ends(windows: Sequence[WindowReport], judged: str) -> list[int]:
    """Return after how many windows a pass ends: where the release changes, and after the newest."""
    return [
        end
        for end in range(1, len(windows) + 1)
        if end == len(windows)
        or (
            windows[end]["release"] != windows[end - 1]["release"]
            and windows[end]["window"]["start"] > judged
        )
    ]


def _judged_topics(windows: Sequence[WindowReport], baselines: Baselines, params: Params) -> list[str]:
    """Return the topics of the newest windows and those learnt; a single one equals all texts."""
    newest = windows[-params.watch.drift.of_windows :]
    names = dict.fromkeys([ALL, *(topic for window in newest for topic in window["topics"])])
    names |= dict.fromkeys([*baselines.current, *baselines.earlier])
    return list(names) if len(names) > 2 else [ALL]


def _topic_windows(windows: Sequence[WindowReport], topic: str) -> list[TopicWindow]:
    return [
        TopicWindow(window["window"]["start"], window["release"], report["texts"], report.get("profile"))
        for window in windows
        if (report := window["topics"].get(topic)) and report["texts"]
    ]
