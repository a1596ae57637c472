"""What is old leaves the journal, and a clock that jumps takes nothing with it."""

import threading
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from journal_fixtures import EIGHT, make_entries, make_feedback, read_all

from pipeline.io.journal.journal import Journal
from pipeline.io.journal.retention import trusted_today

DAY = timedelta(days=1)
TODAY = date(2026, 11, 25)


def journal(folder: Path, days_before: Iterable[float], *, retention_days: int = 30) -> Journal:
    """Keep one answer on each of these days before EIGHT, sealed."""
    made = Journal(folder, retention_days=retention_days)
    made.append([one for before in days_before for one in make_entries(1, EIGHT - DAY * before)])
    made.close()
    return made


def test_old_hours_are_removed_with_their_feedback(tmp_path: Path) -> None:
    kept = journal(tmp_path, range(33))
    made = [make_entries(1, EIGHT - DAY * before)[0] for before in (0, 30, 31, 32)]
    kept.append_feedback([make_feedback(entry, "neutral") for entry in made])

    done = kept.retain(EIGHT + timedelta(minutes=59))

    assert done.removed == ("2026-10-24T08", "2026-10-25T08")
    assert (done.kept, done.reasons) == (31, ())
    assert len(read_all(tmp_path)) == 31
    assert {entry.request for entry in kept.labels()} == {made[0].request, made[1].request}


def test_a_clock_40_days_ahead_removes_nothing(tmp_path: Path) -> None:
    kept = journal(tmp_path, range(30))
    ahead = EIGHT + 40 * DAY
    for hour in range(5):
        kept.append(make_entries(1, ahead + timedelta(hours=hour)))
        done = kept.retain(ahead + timedelta(hours=hour))
        assert done.removed == ()
    assert "The clock went from 2026-11-25 to 2027-01-04" in done.reasons[0]

    back = kept.retain(EIGHT + DAY)  # somebody has set the clock

    assert (back.removed, back.kept) == ((), 35)
    assert back.reasons == ("Hours dated in the future: 5. Check the clocks.",)


def test_a_clock_two_hours_back_or_at_its_beginning_removes_nothing(tmp_path: Path) -> None:
    kept = journal(tmp_path, range(30))

    assert kept.retain(EIGHT - timedelta(hours=2)).removed == ()
    assert kept.retain(datetime(1970, 1, 1, tzinfo=UTC)).removed == ()
    assert kept.retain(datetime(1, 1, 2, tzinfo=UTC)).removed == ()
    assert len(read_all(tmp_path)) == 30


def test_a_jump_of_the_clock_is_trusted_after_a_week_of_activity(tmp_path: Path) -> None:
    kept = journal(tmp_path, [0])
    after_silence = EIGHT + 40 * DAY

    removed = [kept.retain(after_silence + DAY * day).removed for day in range(7)]

    # Nothing was answered in the time between; that the retention looked on each of the days is life enough.
    assert removed == [()] * 6 + [("2026-11-25T08",)]


@pytest.mark.parametrize(
    ("days_before", "last"),
    [
        ([], 0),
        ([1, 2, 3], 0),
        ([3, 6, 9], 0),  # each silence a long weekend
        ([4], 4),
        ([1, 2, 3, 4, 5, 45], 45),
        ([1, 2, 3, 4, 5, 6, 46], 0),  # alive on seven days since
        ([5, 50], 50),  # of two jumps the older one counts
        ([-1, -40, 1], 0),  # what is dated after today tells nothing
    ],
)
def test_how_far_the_clock_is_trusted(days_before: list[int], last: int) -> None:
    assert trusted_today(TODAY, [TODAY - DAY * before for before in days_before]) == TODAY - DAY * last


def test_an_old_hour_with_a_living_writer_stays(tmp_path: Path) -> None:
    kept = journal(tmp_path, range(40))
    late = Journal(tmp_path, retention_days=30)
    late.append(make_entries(1, EIGHT - 35 * DAY))

    done = kept.retain(EIGHT)
    assert "2026-10-21T08" not in done.removed
    assert done.reasons == ("Old hours with a living writer: 1.",)

    late.close()
    assert kept.retain(EIGHT).removed == ("2026-10-21T08",)


def test_an_hour_that_was_held_is_removed_by_the_next_pass(tmp_path: Path) -> None:
    kept = journal(tmp_path, range(60, 0, -1), retention_days=2)
    late = Journal(tmp_path, retention_days=2)
    late.append(make_entries(1, EIGHT - 58 * DAY))
    assert kept.retain(EIGHT).reasons == ("Old hours with a living writer: 1.",)

    late.close()
    done = kept.retain(EIGHT)

    # What the first pass removed is no gap in the activity, so the clock is trusted.
    assert (done.removed, done.reasons) == (("2026-09-28T08",), ())


def test_hours_can_be_read_while_the_retention_removes_them(tmp_path: Path) -> None:
    kept = journal(tmp_path, range(60, 0, -1), retention_days=2)
    threads = [
        threading.Thread(target=one) for one in (lambda: read_all(tmp_path), lambda: kept.retain(EIGHT))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept.retain(EIGHT)  # an hour that is being read stays until the next pass

    assert [entry.time[:10] for entry in read_all(tmp_path)] == ["2026-11-23", "2026-11-24"]


def test_an_entry_for_an_hour_that_is_removed_meanwhile_is_kept(tmp_path: Path) -> None:
    late = Journal(tmp_path, retention_days=30)
    old = EIGHT - 35 * DAY
    late.append(make_entries(1, old))
    (path,) = (tmp_path / "predictions").glob("2026-10-21T08.db")
    path.unlink()  # as by a retention that was quicker

    late.append(written := make_entries(1, old))

    assert [entry for entry in read_all(tmp_path) if entry.time == written[0].time] == written


def test_an_old_entry_is_removed_at_once_with_daily_retention(tmp_path: Path) -> None:
    kept = journal(tmp_path, [], retention_days=2)
    for before in range(20, -1, -1):
        kept.append(make_entries(1, EIGHT - DAY * before))
        kept.retain(EIGHT - DAY * before)
    kept.append(make_entries(1, EIGHT - 100 * DAY))
    kept.close()

    assert kept.retain(EIGHT).removed == ("2026-08-17T08",)
    assert len(read_all(tmp_path)) == 3


def test_old_passes_of_the_retention_are_removed(tmp_path: Path) -> None:
    kept = journal(tmp_path, range(2), retention_days=2)
    for day in range(45):
        kept.retain(EIGHT + DAY * day)
        kept.append(make_entries(1, EIGHT + DAY * day))

    assert len(list((tmp_path / "passes").iterdir())) == 33


def test_an_empty_journal_has_nothing_to_remove(tmp_path: Path) -> None:
    assert Journal(tmp_path, retention_days=1).retain(EIGHT).removed == ()
    assert not list(tmp_path.iterdir())
