"""Windows of a journal."""

from pipeline.base.times import hours_before
from pipeline.core.monitor.windows import Window, due_windows, windows_per_quarter


def test_only_windows_that_have_ended_are_due() -> None:
    due = due_windows(since="2026-11-25T08:10:00.123456Z", now="2026-11-25T10:59:59Z", minutes=60, most=9)

    assert [window.start for window in due] == ["2026-11-25T08:00:00Z", "2026-11-25T09:00:00Z"]
    assert due[0] == Window("2026-11-25T08:00:00Z", "2026-11-25T09:00:00Z")
    assert due[0].name == "2026-11-25T08-00-00Z"


def test_of_many_missed_windows_the_newest_are_due() -> None:
    due = due_windows(since="2026-01-01T00:00:00Z", now="2026-11-25T10:00:00Z", minutes=60, most=3)

    assert [window.start[11:13] for window in due] == ["07", "08", "09"]


def test_no_window_is_due_before_the_journal_begins() -> None:
    assert due_windows(since="2026-11-25T08:00:00Z", now="2026-11-25T06:00:00Z", minutes=60, most=3) == []


def test_a_time_with_an_offset_is_the_same_moment() -> None:
    assert hours_before("2026-11-25T10:00:00+02:00", hours=1) == "2026-11-25T07:00:00Z"


def test_a_quarter_has_2191_5_hourly_windows() -> None:
    assert windows_per_quarter(60) == 2191.5
