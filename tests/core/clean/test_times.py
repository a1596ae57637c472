"""A time is read in every usual form, into UTC; what is no time is counted and stays empty."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.clean.times import read_times

MOMENT = "2026-09-13T08:00:00Z"
TIMES = st.datetimes(datetime(1971, 1, 1), datetime(2199, 12, 31)).map(
    lambda time: time.replace(microsecond=0)
)
ZONES = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def read(value: str, zone: str = "UTC", day_first: bool | None = None) -> str:
    return read_times([value], zone=zone, day_first=day_first)[0][0]


@pytest.mark.parametrize(
    "written",
    [
        "2026-09-13T08:00:00Z",
        "2026-09-13T09:00:00+01:00",
        "2026-09-13 08:00:00.123456",
        "2026-09-13 08:00:00 UTC",
        "20260913T080000Z",
        "2026/9/13 8:00",
        "1789286400",
        "1789286400.25",
        "1789286400000",
        "1789286400000000",
        "Sun, 13 Sep 2026 08:00:00 +0000",
        "Sun, 13 Sep 2026 04:00:00 EDT",
        "Sun Sep 13 08:00:00 +0000 2026",
        "Sun Sep 13 08:00:00 2026",
        "13/09/2026 08.00",
        "09/13/2026 8:00 AM",
        "13.09.2026 08:00",
        "13-09-26 08:00",
        "September 13, 2026 at 8:00 am",
        "13 September 2026 08:00",
    ],
)
def test_usual_forms_are_read(written: str) -> None:
    assert read(written) == MOMENT


@pytest.mark.parametrize(
    "written",
    [
        "",
        "nan",
        "soon",
        "10000-01-01",
        "0001-01-01T00:00:00+05:00",
        "13/13/2026",
        "2026-02-30",
        "12:30",
        "1e9",
        "1" * 99,
    ],
)
def test_what_is_no_time_stays_empty(written: str) -> None:
    assert read(written) == ""


def test_unreadable_times_are_counted_with_examples() -> None:
    _, tally = read_times(["soon", "2026-09-13", "", "later"], zone="UTC", day_first=None)

    assert (tally.unreadable, tally.examples) == (2, ["soon", "later"])
    assert list(tally.sentences())[-1] == "2 times are not read and stay empty, such as 'soon', 'later'"


def test_a_time_without_a_zone_is_read_in_the_assumed_one() -> None:
    times, tally = read_times(["2026-07-13 08:00", "2026-07-13T08:00Z"], zone="Europe/Berlin", day_first=None)

    assert times == ["2026-07-13T06:00:00Z", "2026-07-13T08:00:00Z"]
    assert tally.without_zone == 1


@pytest.mark.parametrize(
    ("column", "day_first", "first", "ambiguous"),
    [
        (["03/04/2026", "13/04/2026"], None, "2026-04-03", 0),
        (["03/04/2026", "04/13/2026"], None, "2026-03-04", 0),
        (["03/04/2026", "05/06/2026"], None, "2026-04-03", 2),
        (["03/04/2026", "05/06/2026"], False, "2026-03-04", 0),
        (["03/04/2026", "13/04/2026", "04/13/2026"], None, "2026-04-03", 1),
        (["03.04.2026", "04/13/2026"], None, "2026-04-03", 0),
    ],
)
def test_a_column_decides_whether_the_day_comes_first(
    column: list[str], day_first: bool | None, first: str, ambiguous: int
) -> None:
    times, tally = read_times(column, zone="UTC", day_first=day_first)

    assert (times[0][:10], tally.ambiguous) == (first, ambiguous)
    assert all(times)


@given(TIMES, ZONES)
def test_a_time_that_is_written_is_read_again(time: datetime, zone: timezone) -> None:
    local = time.replace(tzinfo=zone)
    expected = local.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"

    assert read(local.isoformat()) == expected
    assert read(format_datetime(local)) == expected
    assert read(local.strftime("%a %b %d %H:%M:%S %z %Y")) == expected
    assert read(f"{local:%d.%m.%Y %H:%M:%S} {local.isoformat()[-6:]}") == expected


@given(st.text(max_size=40))
def test_any_text_is_read_or_stays_empty(text: str) -> None:
    time = read(text)

    assert time == "" or read(time) == time
