"""Events: which alarms and change points tell of the same one, so that it is alerted once.

Foreign texts move the embedding and the labels too, and a topic moves all texts together. So an alarm tells
of the event of another one that began at nearly the same time, if that is of a kind that explains it, or of
the same kind in all texts. A change point tells of the same event as an alarm about labels or another change
point of the topic from nearly the same time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

from pipeline.base.documents import ChangeAlarm, ChangePoint
from pipeline.base.times import parse_time

ALL = "all"
# Kinds in the order in which the first explains those after it.
EXPLAINS = ("language", "encoding", "topic", "label")
# Onsets of alarms are known to a window or two, those of change points are the best split of a long series.
NEAR_WINDOWS, NEAR_SPLIT_WINDOWS = 3, 24


def alarm_name(alarm: ChangeAlarm) -> str:
    """Return the name of an alarm, which stays the same."""
    return f"drift/{alarm['topic']}/{alarm['kind']}/{alarm['detected']}"


def change_point_name(topic: str, point: ChangePoint) -> str:
    """Return the name of a change point, which stays the same."""
    return f"event/{topic}/{point['label']}/{point['detected']}"


def name_same_events(
    new: Sequence[ChangeAlarm],
    old: Sequence[ChangeAlarm],
    change_points: Mapping[str, Sequence[ChangePoint]],
    *,
    minutes: int,
) -> list[ChangeAlarm]:
    """Return the new alarms, each with the name of what tells of the same event, if anything does."""
    known, named = list(old), []
    for alarm in sorted(new, key=_order):
        same = next((alarm_name(one) for one in known if _explains(one, alarm, minutes)), None)
        if same is None and alarm["kind"] == "label":
            same = next(
                (
                    change_point_name(alarm["topic"], point)
                    for point in change_points.get(alarm["topic"], ())
                    if _near(point["time"], alarm["since"], minutes, NEAR_SPLIT_WINDOWS)
                ),
                None,
            )
        entry: ChangeAlarm = {**alarm, "same_as": same} if same else alarm
        known.append(entry)
        named.append(entry)
    return named


def name_same_change_points(
    new: Mapping[str, Sequence[ChangePoint]],
    old: Mapping[str, Sequence[ChangePoint]],
    alarms: Sequence[ChangeAlarm],
    *,
    minutes: int,
) -> dict[str, list[ChangePoint]]:
    """Return the new change points, each with the name of what tells of the same event, if anything does."""
    named: dict[str, list[ChangePoint]] = {}
    known = {topic: list(points) for topic, points in old.items()}
    # Of all texts last: a topic that moved says more.
    for topic in sorted(new, key=lambda topic: (topic == ALL, topic)):
        for point in new[topic]:
            others = tuple(known) if topic == ALL else (topic, ALL)
            same = next(
                _same_as_point(topic, point, others=others, known=known, alarms=alarms, minutes=minutes), None
            )
            entry: ChangePoint = {**point, "same_as": same} if same else point
            known.setdefault(topic, []).append(entry)
            named.setdefault(topic, []).append(entry)
    return named


def _same_as_point(
    topic: str,
    point: ChangePoint,
    *,
    others: Iterable[str],
    known: Mapping[str, Sequence[ChangePoint]],
    alarms: Sequence[ChangeAlarm],
    minutes: int,
) -> Iterator[str]:
    for alarm in alarms:
        near = _near(alarm["since"], point["time"], minutes, NEAR_SPLIT_WINDOWS)
        if near and alarm["kind"] in EXPLAINS and (alarm["topic"] == topic or ALL in (topic, alarm["topic"])):
            yield alarm_name(alarm)
    for other in dict.fromkeys((topic, *others)):
        for one in known.get(other, ()):
            if _near(one["time"], point["time"], minutes, NEAR_SPLIT_WINDOWS):
                yield change_point_name(other, one)


def _order(alarm: ChangeAlarm) -> tuple[str, int, bool, str]:
    rank = EXPLAINS.index(alarm["kind"]) if alarm["kind"] in EXPLAINS else -1
    return alarm["detected"], rank, alarm["topic"] == ALL, alarm["topic"]


def _explains(one: ChangeAlarm, alarm: ChangeAlarm, minutes: int) -> bool:
    if not {one["kind"], alarm["kind"]} <= set(EXPLAINS) or not _near(
        one["since"], alarm["since"], minutes, NEAR_WINDOWS
    ):
        return False
    if one["topic"] == alarm["topic"]:
        return EXPLAINS.index(one["kind"]) < EXPLAINS.index(alarm["kind"])
    return ALL in (one["topic"], alarm["topic"]) and EXPLAINS.index(one["kind"]) <= EXPLAINS.index(
        alarm["kind"]
    )


def _near(one: str, other: str, minutes: int, windows: int) -> bool:
    return abs(parse_time(one) - parse_time(other)) <= timedelta(minutes=minutes * windows)
