"""The watch by event time: late texts, history that is replayed, several topics, and copies of a text."""

import dataclasses
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audit_fixtures import light_workspace, set_audit
from journal_fixtures import EIGHT, ENTRY, stamp
from world import TEXTS

from pipeline.__main__ import run_command
from pipeline.base.config import Workspace
from pipeline.base.errors import UsageError
from pipeline.base.records import JournalEntry
from pipeline.base.times import format_seconds
from pipeline.io import alerts, files
from pipeline.io.journal.journal import Journal, request_id
from pipeline.monitoring.past.replay import replay_watch
from pipeline.monitoring.watch import run_watch
from pipeline.monitoring.windows.copies import MOST, share_of_pairs
from pipeline.monitoring.windows.counts import TopicCounts

pytestmark = pytest.mark.served(10)
Write = Callable[..., list[JournalEntry]]


def at(hour: float) -> datetime:
    return EIGHT + timedelta(hours=hour)


def now(hour: float) -> str:
    return format_seconds(at(hour))


@pytest.fixture
def write(places: Workspace) -> Write:
    """Return a function that journals texts that came and were written in some hour."""

    def _write(size: int, came: float, written: float | None = None, **changes: Any) -> list[JournalEntry]:
        entries = [
            dataclasses.replace(
                ENTRY,
                request=request_id(at(came)),
                time=stamp(at(came)),
                written="" if written is None else stamp(at(written)),
                text=TEXTS[number].text,
                cluster=f"c{number}",
                lang="und",
                **changes,
            )
            for number in range(size)
        ]
        journal = Journal(places.journal, retention_days=9000)
        journal.append(entries)
        journal.close()
        return entries

    return _write


def window(places: Workspace, hour: float) -> dict[str, Any]:
    return dict(files.read_json(places.windows / f"{now(hour).replace(':', '-')}.json"))


def test_a_window_waits_for_late_texts_and_is_closed_after_the_lateness(
    places: Workspace, write: Write
) -> None:
    write(60, 0.5, 0.4)
    write(20, 2.1, 0.9)
    write(7, 3.2, 0.9)

    waiting = run_watch(places, now=now(2.9))["windows"]
    closed = run_watch(places, now=now(3.5))["windows"]

    assert (waiting, closed) == ([], ["2026-11-25T08-00-00Z"])
    assert window(places, 0)["predictions"] == 80


def test_texts_that_come_after_that_are_counted_and_said(places: Workspace, write: Write) -> None:
    write(60, 0.5, 0.4)
    run_watch(places, now=now(3.5))
    write(50, 3.9, 3.8)
    write(7, 3.9, 0.9)

    summary = run_watch(places, now=now(6.1))

    assert (summary["windows"], summary["too_late"]) == (["2026-11-25T11-00-00Z"], 7)
    assert window(places, 0)["predictions"] == 60
    assert window(places, 3)["predictions"] == 50


def test_without_event_times_a_window_is_reported_at_its_end(places: Workspace, write: Write) -> None:
    write(60, 0.5)

    assert run_watch(places, now=now(1))["windows"] == ["2026-11-25T08-00-00Z"]


def test_a_pass_draws_texts_to_be_labelled_and_goes_on_where_it_cannot(
    places: Workspace, write: Write
) -> None:
    set_audit(places, per_topic_per_day=240)
    write(60, 0.5)
    (places.journal / "audit.db").mkdir()

    failed = run_watch(places, now=now(1.1))
    (places.journal / "audit.db").rmdir()

    assert (failed["windows"], failed["drawn"]) == (["2026-11-25T08-00-00Z"], 0)
    assert run_watch(places, now=now(1.2))["drawn"] == 10
    assert run_watch(places, now=now(1.3))["drawn"] == 0


def test_a_history_that_is_sent_today_is_replayed_into_its_own_windows(
    places: Workspace, write: Write
) -> None:
    for day in range(1, 4):
        write(50, 0.5, -24.0 * 30 * day, topic="phones")
    assert run_watch(places, now=now(3.5))["windows"] == []

    past = {"since": now(-24 * 95), "until": now(-24 * 45), "now": now(4)}
    first, again = replay_watch(places, **past), replay_watch(places, **past)

    assert first["windows"] == [now(-24 * 90).replace(":", "-"), now(-24 * 60).replace(":", "-")]
    assert (first["predictions"], first["kept"]) == (100, 0)
    assert (again["windows"], again["kept"]) == ([], 2)
    assert window(places, -24 * 60)["topics"]["phones"]["texts"] == 50
    assert alerts.list_outbox(places.alerts) == []


@pytest.mark.parametrize(
    ("since", "until"),
    [("yesterday", "2026-11-25T08:00:00Z"), ("2026-11-25T08:00:00Z", "2026-11-24T08:00:00Z"),
     ("2026-11-25T08:00:00Z", "2026-11-25T08:00:00Z"), ("2026-11-25T08:00:00Z", "2199-01-01T00:00:00Z")],
)  # fmt: skip
def test_a_replay_of_no_past_is_refused(tmp_path: Path, since: str, until: str) -> None:
    with pytest.raises(UsageError, match=r"no time|no stretch of the past"):
        replay_watch(light_workspace(tmp_path / "w"), since=since, until=until, now=now(1))


def test_the_command_says_what_a_replay_found(places: Workspace, write: Write, capsys: Any) -> None:
    def watch(*arguments: str) -> tuple[int, str]:
        code = run_command(["watch", *arguments, "--now", now(4), "--workspace", str(places.root)])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    write(50, 0.5, -48)

    assert watch("--from", now(-50))[0] == 2
    assert "knows no text" in watch("--from", now(-90), "--to", now(-80))[1]
    assert "Windows of the past: 1, with 50 predictions" in watch("--from", now(-50), "--to", now(-40))[1]


def test_a_text_of_two_topics_counts_in_both_and_once_in_all(places: Workspace, write: Write) -> None:
    write(50, 0.5, topic="phones", more_topics=("acme",))
    write(60, 0.6, topic="acme")

    run_watch(places, now=now(1))

    sizes = {topic: report["texts"] for topic, report in window(places, 0)["topics"].items()}
    assert sizes == {"all": 110, "phones": 50, "acme": 110}


def counts(sizes: Sequence[int]) -> TopicCounts:
    """Return the counts of a topic whose clusters have these sizes."""
    clusters = [str(number) for number, size in enumerate(sizes) for _ in range(size)]
    topic = TopicCounts(copies=share_of_pairs(clusters))
    topic.labels["positive"] = sum(sizes)
    return topic


def test_each_text_ten_times_is_as_many_independent_texts_as_before() -> None:
    assert counts([1] * 100).independent == 100
    assert counts([10] * 100).independent == pytest.approx(100)
    assert counts([100]).independent == pytest.approx(1)
    assert counts([]).independent == 0
    # One text of a hundred sent a hundred times: (199)^2 / (99 + 100^2).
    assert counts([1] * 99 + [100]).independent == pytest.approx(199**2 / (99 + 100**2))


def test_a_sample_of_texts_finds_the_copies_of_a_large_topic() -> None:
    random = np.random.default_rng(20)
    # A hundred thousand texts, of which a twentieth is one text.
    clusters = ["storm"] * 5_000 + [f"c{number}" for number in range(95_000)]
    sample = [clusters[number] for number in random.choice(len(clusters), MOST, replace=False)]

    # 0.05 squared; the standard error of the sample is about 0.0003.
    assert share_of_pairs(sample) == pytest.approx(0.0025, abs=0.001)
