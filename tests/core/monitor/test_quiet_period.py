"""The quiet period: one alert with the same key."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.records import Alert
from pipeline.core.monitor.quiet_period import filter_quiet

NOW = "2026-11-25T12:00:00Z"


def alert(key: str = "drift/all/topic", time: str = NOW, title: str = "") -> Alert:
    return Alert(key=key, kind="drift", topic="all", time=time, title=title, message="")


def raised_keys(candidates: list[Alert], past: list[Alert], *, now: str = NOW) -> list[str]:
    return [one.key for one in filter_quiet(candidates, past, now=now, quiet_hours=24.0)]


def test_an_alert_is_raised_once_within_the_quiet_period() -> None:
    assert raised_keys([alert()], []) == ["drift/all/topic"]
    assert raised_keys([alert()], [alert(time="2026-11-24T12:00:01Z")]) == []
    assert raised_keys([alert()], [alert(time="2026-11-24T12:00:00Z")]) == ["drift/all/topic"]


def test_an_alert_with_another_key_is_raised() -> None:
    assert raised_keys([alert(), alert("quality/all")], [alert(time="2026-11-25T11:00:00Z")]) == [
        "quality/all"
    ]


def test_of_two_alerts_with_one_key_the_first_is_raised() -> None:
    raised = filter_quiet(
        [alert("b", title="1"), alert("a", title="2"), alert("b", title="3")], [], now=NOW, quiet_hours=24.0
    )

    assert [(one.key, one.title) for one in raised] == [("b", "1"), ("a", "2")]


def test_an_alert_from_the_future_silences_nothing() -> None:
    assert raised_keys([alert()], [alert(time="2027-01-04T12:00:00Z")]) == ["drift/all/topic"]
    assert (
        raised_keys([alert()], [alert(time="2027-01-04T12:00:00Z"), alert(time="2026-11-25T11:00:00Z")]) == []
    )


def test_after_a_clock_is_corrected_an_alert_is_raised_once_more() -> None:
    ahead, corrected = alert(time="2026-11-25T14:00:00Z"), alert(time="2026-11-25T12:00:00Z")

    assert raised_keys([alert()], [ahead]) == ["drift/all/topic"]
    assert raised_keys([alert()], [ahead, corrected], now="2026-11-25T13:00:00Z") == []


def test_times_are_compared_as_moments_in_any_notation() -> None:
    assert raised_keys([alert()], [alert(time="2026-11-25T12:30:00+01:00")]) == []
    assert raised_keys([alert()], [alert(time="2026-11-25T12:00:00.000001Z")]) == ["drift/all/topic"]
    assert raised_keys([alert()], [alert(time="2026-11-25T11:59:59.999999Z")]) == []


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 23))))
def test_an_alert_just_raised_is_not_raised_again(pairs: list[tuple[str, int]]) -> None:
    candidates = [alert(key, f"2026-11-25T{hour:02d}:00:00Z") for key, hour in pairs]

    first = filter_quiet(candidates, [], now="2026-11-25T23:00:00Z", quiet_hours=24.0)

    assert [one.key for one in first] == list(dict.fromkeys(key for key, _ in pairs))
    assert (
        filter_quiet(
            candidates,
            [dataclasses.replace(one, time="2026-11-25T23:00:00Z") for one in first],
            now="2026-11-25T23:00:00Z",
            quiet_hours=24.0,
        )
        == []
    )
