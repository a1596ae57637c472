"""The rules of scheduled runs hold whatever the clock says and whichever process dies."""

import json
import multiprocessing
import os
import signal
import threading
from datetime import UTC, datetime, timedelta

import pytest
import world
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.base.config import Workspace
from pipeline.base.errors import SourceUnreachable, WorkspaceBusy
from pipeline.io import alerts
from pipeline.operations import schedule
from pipeline.operations.schedule import LastRun, skip_reason

MONDAY = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
WEEK, HOUR, DAY = timedelta(weeks=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def places(tmp_path):
    (tmp_path / "params.yaml").write_text((world.CHECKOUT / "params.yaml").read_text("utf-8"), "utf-8")
    return Workspace.of(tmp_path, {})


def starts(places, due, now, *, run=None, kind="retrain"):
    """Take the turn of a run; return whether it is due."""
    with schedule.take_turn(
        places, kind, run=run or f"{due.isoformat()}-{now.isoformat()}", due=due, now=now
    ) as reason:
        return reason is None


def test_the_first_run_of_a_kind_is_due(places):
    assert starts(places, MONDAY, MONDAY)
    assert schedule.last_run(places, "retrain").sequence == 1
    assert schedule.last_run(places, "watch") == LastRun()


def test_of_runs_missed_in_a_down_time_one_is_starts(places):
    back = MONDAY + 5 * HOUR + timedelta(minutes=20)
    late = [MONDAY + n * HOUR for n in range(6)]

    assert [starts(places, due, back + timedelta(seconds=n)) for n, due in enumerate(late)] == [
        True,
        False,
        False,
        False,
        False,
        False,
    ]
    assert starts(places, MONDAY + 6 * HOUR, MONDAY + 6 * HOUR)


def test_a_run_requested_before_another_began_is_covered_by_it(places):
    asked = MONDAY - timedelta(seconds=2)

    assert starts(places, MONDAY, MONDAY)
    assert not starts(places, asked, MONDAY + HOUR)
    assert starts(places, MONDAY + 2 * HOUR, MONDAY + 2 * HOUR)


def test_the_same_run_may_be_retried_by_hand(places):
    assert starts(places, MONDAY, MONDAY, run="r1")
    assert starts(places, MONDAY, MONDAY + HOUR, run="r1")
    assert not starts(places, MONDAY, MONDAY + HOUR, run="r2")


def test_a_clock_set_back_two_hours_makes_no_run_twice_and_keeps_none_from_being_starts(places):
    for hour in range(3):
        assert starts(places, MONDAY + hour * HOUR, MONDAY + hour * HOUR)

    # It is 03:10 again; the server offers the runs of 04:00 and 05:00 a second time, then that of 06:00.
    assert not starts(places, MONDAY + HOUR, MONDAY + HOUR, run="again 04:00")
    assert not starts(places, MONDAY + 2 * HOUR, MONDAY + 2 * HOUR, run="again 05:00")
    assert starts(places, MONDAY + 3 * HOUR, MONDAY + 3 * HOUR)


def test_after_a_clock_forty_days_ahead_the_next_run_starts(places):
    assert starts(places, MONDAY, MONDAY)
    ahead = MONDAY + 40 * DAY
    missed = [MONDAY + n * WEEK for n in range(1, 6)]

    assert [starts(places, due, ahead + timedelta(seconds=n)) for n, due in enumerate(missed)] == [
        True,
        False,
        False,
        False,
        False,
    ]
    # The last run is recorded as forty days ahead; next week's run starts all the same.
    assert starts(places, MONDAY + 2 * WEEK, MONDAY + 2 * WEEK, run="right again")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(-50, 50)), max_size=25))
def test_no_due_time_starts_twice_whatever_the_clock_does(offers):
    last, started = LastRun(), []
    for number, (due, clock) in enumerate(offers):
        planned, now = f"{due:04d}", f"{clock + 100:04d}"
        if skip_reason(last, run=str(number), due=planned, now=now) is None:
            started.append(planned)
            last = LastRun(last.sequence + 1, str(number), planned, now, (*last.dues, planned))

    assert len(started) == len(set(started))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=20), st.integers(0, 60))
def test_with_a_steady_clock_every_due_run_starts(steps, jump):
    last, now = LastRun(), 0
    for number, step in enumerate([*steps, jump + 1, 1]):
        now += step
        assert skip_reason(last, run=str(number), due=f"{now:06d}", now=f"{now:06d}") is None
        last = LastRun(number, str(number), f"{now:06d}", f"{now:06d}", (*last.dues, f"{now:06d}"))


def test_concurrent_runs_of_a_kind_are_one(places):
    inside, beside = threading.Event(), threading.Event()
    turns = []

    def first():
        with schedule.take_turn(places, "retrain", run="cron", due=MONDAY, now=MONDAY) as reason:
            turns.append(reason)
            inside.set()
            beside.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(10)
    with schedule.take_turn(places, "retrain", run="drift", due=MONDAY + HOUR, now=MONDAY + HOUR) as reason:
        turns.append(reason)
    with schedule.take_turn(places, "watch", run="other", due=MONDAY, now=MONDAY) as other:
        pass
    beside.set()
    thread.join()

    assert turns == [None, "Another retrain is in progress: cron."]
    assert other is None


def test_a_killed_run_is_dead_and_frees_its_turn(places):
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_holding, args=(places, there))
    process.start()
    assert here.poll(60)
    assert here.recv() == "holds"
    assert schedule.run_is_alive(places, "r1") is True
    assert not starts(places, MONDAY + HOUR, MONDAY + HOUR)

    os.kill(process.pid, signal.SIGKILL)
    process.join()

    assert schedule.run_is_alive(places, "r1") is False
    assert schedule.run_is_alive(places, "nobody") is None
    assert starts(places, MONDAY + 2 * HOUR, MONDAY + 2 * HOUR)
    schedule.forget_ended_runs(places, keep=["r1"])
    assert schedule.run_is_alive(places, "r1") is False
    schedule.forget_ended_runs(places, keep=[])
    assert schedule.run_is_alive(places, "r1") is None


def _holding(places, there):
    with schedule.take_turn(places, "retrain", run="r1", due=MONDAY, now=MONDAY):
        there.send("holds")
        signal.pause()


def test_a_run_is_alive_until_its_process_ends(places):
    starts(places, MONDAY, MONDAY, run="r1")

    # Prefect reports its end after our code has returned; until then it must not count as dead.
    assert schedule.run_is_alive(places, "r1") is True


@pytest.mark.parametrize("garbage", ["", "{", "[]", "null", '{"sequence": 1}', '{"dues": 3}', '"x"'])
def test_an_unreadable_record_counts_as_no_run(places, garbage):
    starts(places, MONDAY, MONDAY)
    (schedule.folder(places) / "retrain.json").write_text(garbage)

    assert schedule.last_run(places, "retrain") == LastRun()
    assert starts(places, MONDAY + HOUR, MONDAY + HOUR)


def test_a_workspace_has_one_schedule(places):
    with (
        schedule.single_schedule(places),
        pytest.raises(WorkspaceBusy, match=rf"Process {os.getpid()} runs the schedule"),
        schedule.single_schedule(places),
    ):
        pass
    with schedule.single_schedule(places):
        pass


def test_a_repeated_fault_is_alerted_once_within_the_quiet_period(places):
    error = SourceUnreachable("texts.csv does not exist. Put it there.")

    for hours in (0, 5, 30):
        reason = schedule.report_failure(places, "retrain", error, now=MONDAY + hours * HOUR)

    sent = [entry.alert for entry in alerts.list_outbox(places.alerts)]
    assert reason == "texts.csv does not exist. Put it there."
    assert [alert.time for alert in sent] == ["2026-11-23T03:00:00Z", "2026-11-24T09:00:00Z"]
    assert (sent[0].kind, sent[0].key) == ("run", "run/retrain")
    assert "tonewatch run" in sent[0].message


def test_of_an_unexpected_error_only_type_and_place_are_reported(places, capfd):
    try:
        int("a text of somebody, secret canary")
    except ValueError as error:
        reason = schedule.report_failure(places, "watch", error, now=MONDAY)

    stored = "".join(path.read_text() for path in places.alerts.glob("*.json"))
    assert reason.startswith("ValueError at test_schedule.py:")
    assert "canary" not in reason + stored + "".join(capfd.readouterr())


def test_the_file_of_a_run_describes_it(places):
    starts(places, MONDAY, MONDAY, run="r1")

    note = json.loads((schedule.folder(places) / "runs" / "r1.json").read_text())

    assert note == {
        "kind": "retrain",
        "due": "2026-11-23T03:00:00.000000Z",
        "began": "2026-11-23T03:00:00.000000Z",
        "pid": os.getpid(),
    }
