"""Events: alarms and change points that tell of the same one."""

from typing import Any

import pytest
from service_weeks import start_of

from pipeline.core.change.events import name_same_change_points, name_same_events


def alarm(kind: str, since: int, topic: str = "phones") -> Any:
    return {
        "topic": topic, "kind": kind, "series": f"{kind}/x", "release": "R1", "since": start_of(since),
        "detected": start_of(since + 1), "until": None, "before": 0.1, "after": 0.2,
    }  # fmt: skip


def point(label: str, time: int) -> Any:
    return {
        "time": start_of(time), "label": label, "before": 0.1, "after": 0.2, "change": 0.1, "low": 0.0,
        "high": 0.2, "detected": start_of(time + 4),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        (alarm("topic", 10), alarm("encoding", 10), False),  # what explains more is alerted
        (alarm("encoding", 10), alarm("topic", 11), True),
        (alarm("encoding", 10), alarm("topic", 20), False),
        (alarm("topic", 10), alarm("label", 12), True),
        (alarm("topic", 10, "trains"), alarm("label", 10), False),
        (alarm("topic", 10, "trains"), alarm("topic", 10, "all"), True),
        (alarm("label", 10, "all"), alarm("label", 11), True),
        (alarm("silence", 10), alarm("label", 10), False),
        (alarm("label", 10), alarm("silence", 10), False),
        (alarm("label", 10), alarm("label", 90), False),
    ],
)
def test_an_alarm_tells_of_the_event_of_one_that_explains_it(old: Any, new: Any, same: bool) -> None:
    (named,) = name_same_events([new], [old], {}, minutes=60)

    assert ("same_as" in named) == same


def test_of_alarms_of_one_window_the_kind_that_explains_most_is_alerted() -> None:
    new = [alarm(kind, 10) for kind in ("label", "topic", "language", "encoding")]
    named = name_same_events(new, [], {}, minutes=60)

    assert [one["kind"] for one in named if "same_as" not in one] == ["language"]


def test_a_label_alarm_after_its_change_point_is_the_same_event() -> None:
    (near,) = name_same_events([alarm("label", 20)], [], {"phones": [point("negative", 10)]}, minutes=60)
    (far,) = name_same_events([alarm("label", 90)], [], {"phones": [point("negative", 10)]}, minutes=60)

    assert near["same_as"] == f"event/phones/negative/{start_of(14)}"
    assert "same_as" not in far


def test_the_change_points_of_several_labels_are_one_event() -> None:
    new = {"phones": [point("negative", 10), point("positive", 13)], "all": [point("negative", 11)]}
    named = name_same_change_points(new, {}, [], minutes=60)

    assert [("same_as" in one) for one in named["phones"]] == [False, True]
    assert named["all"][0]["same_as"] == f"event/phones/negative/{start_of(14)}"


def test_a_change_point_after_its_alarm_is_the_same_event() -> None:
    named = name_same_change_points(
        {"phones": [point("negative", 10)], "trains": [point("negative", 10)]},
        {},
        [alarm("label", 12)],
        minutes=60,
    )

    assert named["phones"][0]["same_as"] == f"drift/phones/label/{start_of(13)}"
    assert "same_as" not in named["trains"][0]


def test_a_second_event_days_later_is_alerted() -> None:
    named = name_same_change_points(
        {"phones": [point("negative", 90)]}, {"phones": [point("negative", 10)]}, [], minutes=60
    )

    assert "same_as" not in named["phones"][0]
