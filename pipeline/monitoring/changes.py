"""What has changed since: baselines are learnt, alarms start and end, and change points are found and frozen.

    baseline-R1.json   what each topic was like in its learning time, written once for each topic
    changes.json       the state of each topic and all alarms, up to the newest window
    events.json        the change points of each topic

A pass judges only windows that no pass before has judged. It writes its findings after their alerts are in
the outbox, so a pass that was killed is repeated with the same alerts, which the outbox stores once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from pipeline.base.config import Params, Workspace
from pipeline.base.documents import (
    ChangeAlarm,
    ChangePoint,
    ChangeStates,
    WindowReport,
    upgrade_change_point,
)
from pipeline.core.change.events import name_same_change_points, name_same_events
from pipeline.io import files
from pipeline.monitoring.baselines import describe_states
from pipeline.monitoring.judged_topics import JudgedTopics
from pipeline.monitoring.model_change import find_topic_changes

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
    """Read the change points of each topic, whichever version found them."""
    path = workspace.windows / "events.json"
    topics = files.read_json(path) if path.is_file() else {}
    return {topic: [upgrade_change_point(point) for point in points] for topic, points in topics.items()}


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
    first_judged = judged
    for end in _release_ends(windows, judged):
        judged_topics = JudgedTopics.of(workspace, windows[:end], judged, params)
        alarms, judged = judged_topics.judge(alarms), windows[end - 1]["window"]["start"]
    alarms = judged_topics.look_for_silence(alarms, now=now)
    new_points = find_topic_changes(
        windows, params, baselines=judged_topics.learnt(), frozen=points, read_until=first_judged
    )
    known, minutes = {_identity(alarm) for alarm in states["alarms"]}, params.watch.window_minutes
    old = [alarm for alarm in alarms if _identity(alarm) in known]
    new = [alarm for alarm in alarms if _identity(alarm) not in known]
    new = name_same_events(new, old, points, minutes=minutes)
    new_points = name_same_change_points(new_points, points, [*old, *new], minutes=minutes)
    after: ChangeStates = {
        "judged": judged,
        "topics": describe_states(judged_topics.topics, judged_topics.baselines, windows, params=params),
        "alarms": sorted([*old, *new], key=lambda alarm: alarm["detected"])[-MAX_ALARMS:],
    }
    names = dict.fromkeys((*points, *new_points))
    merged = {name: [*points.get(name, ()), *new_points.get(name, ())] for name in names}
    return Changes(after, merged, new, new_points)


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
