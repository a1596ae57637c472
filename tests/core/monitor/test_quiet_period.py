"""Which alerts are raised: one about the same thing within the quiet period."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.records import Alert
from pipeline.core.monitor.quiet_period import filter_quiet

NOW = "2026-11-25T12:00:00Z"


def alert(key: str = "drift/all/topic", time: str = NOW, title: str = "") -> Alert:
    return Alert(key=key, kind="drift", topic="all", time=time, title=title, message="")


def told(candidates: list[Alert], past: list[Alert], *, now: str = NOW) -> list[str]:
    return [one.key for one in filter_quiet(candidates, past, now=now, quiet_hours=24.0)]


def test_an_alert_is_raised_once_within_the_quiet_period() -> None:
    assert told([alert()], []) == ["drift/all/topic"]
    assert told([alert()], [alert(time="2026-11-24T12:00:01Z")]) == []
    assert told([alert()], [alert(time="2026-11-24T12:00:00Z")]) == ["drift/all/topic"]


def test_another_thing_is_not_kept_quiet() -> None:
    assert told([alert(), alert("quality/all")], [alert(time="2026-11-25T11:00:00Z")]) == ["quality/all"]


def test_of_two_about_the_same_thing_the_first_is_raised_in_its_place() -> None:
    found = filter_quiet(
        [alert("b", title="1"), alert("a", title="2"), alert("b", title="3")], [], now=NOW, quiet_hours=24.0
    )

    assert [(one.key, one.title) for one in found] == [("b", "1"), ("a", "2")]


def test_an_alert_from_the_future_silences_nothing() -> None:
    assert told([alert()], [alert(time="2027-01-04T12:00:00Z")]) == ["drift/all/topic"]
    assert told([alert()], [alert(time="2027-01-04T12:00:00Z"), alert(time="2026-11-25T11:00:00Z")]) == []


def test_when_the_clock_is_set_right_what_was_told_within_the_hour_is_told_once_more_and_then_rests() -> None:
    skewed, mended = alert(time="2026-11-25T14:00:00Z"), alert(time="2026-11-25T12:00:00Z")

    assert told([alert()], [skewed]) == ["drift/all/topic"]
    assert told([alert()], [skewed, mended], now="2026-11-25T13:00:00Z") == []


def test_times_are_compared_as_moments_however_they_are_written() -> None:
    assert told([alert()], [alert(time="2026-11-25T12:30:00+01:00")]) == []
    assert told([alert()], [alert(time="2026-11-25T12:00:00.000001Z")]) == ["drift/all/topic"]
    assert told([alert()], [alert(time="2026-11-25T11:59:59.999999Z")]) == []


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 23))))
def test_what_was_just_raised_is_not_raised_again(made: list[tuple[str, int]]) -> None:
    candidates = [alert(key, f"2026-11-25T{hour:02d}:00:00Z") for key, hour in made]

    first = filter_quiet(candidates, [], now="2026-11-25T23:00:00Z", quiet_hours=24.0)

    assert [one.key for one in first] == list(dict.fromkeys(key for key, _ in made))
    assert (
        filter_quiet(
            candidates,
            [dataclasses.replace(one, time="2026-11-25T23:00:00Z") for one in first],
            now="2026-11-25T23:00:00Z",
            quiet_hours=24.0,
        )
        == []
    )
