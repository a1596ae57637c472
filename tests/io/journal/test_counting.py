"""Counts of predictions: right over several hours, and in little memory whatever topics clients name."""

import contextlib
import dataclasses
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_fixtures import EIGHT, ENTRY, make_entries, stamp

from pipeline.io.journal import tables
from pipeline.io.journal.counting import TopicChoice, choose_topics
from pipeline.io.journal.database import Database, path_of
from pipeline.io.journal.journal import Journal

CHECKOUT = Path(__file__).parents[3]
HOUR = ("2026-11-25T08:00:00.000000Z", "2026-11-25T09:00:00.000000Z")
COUNT = """
import re, sys
from pathlib import Path
def peak():  # of this program alone; that of `getrusage` begins with the parent's
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
from pipeline.io.journal.reader import JournalReader
journal, hour = JournalReader(Path(sys.argv[1])), sys.argv[2:]
before = peak()
choice = journal.choose_topics(*hour, known={"phones"}, most=100)
counts = journal.counts(*hour, named=choice.named, other="other")
after = peak()
print(len(choice.named), choice.others, len(counts), sum(one.predictions for one in counts), after - before)
"""


def fill(folder: Path, topics: int) -> None:
    """Write one hour, each prediction under a topic of its own."""
    path = path_of(folder, HOUR[0][:13])
    path.parent.mkdir(parents=True)
    entries = (
        dataclasses.replace(ENTRY, request=f"{n:032x}", time=stamp(EIGHT), topic=f"topic {n:060d}")
        for n in range(topics)
    )
    with contextlib.closing(Database(path, tables.PREDICTIONS_SCHEMA)) as database:
        database.begin()
        database.connection.executemany(tables.INSERT_PREDICTION, map(tables.prediction_row, entries))
        database.connection.execute("COMMIT")


@pytest.mark.slow
@pytest.mark.attack("A3")
def test_topics_without_end_are_counted_in_little_memory(tmp_path: Path) -> None:
    fill(tmp_path, 200_000)

    command = [sys.executable, "-c", COUNT, str(tmp_path), *HOUR]
    done = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT)
    assert done.returncode == 0, done.stderr
    *figures, kibibytes = map(int, done.stdout.split())

    assert figures == [100, 199_900, 101, 200_000]
    assert kibibytes < 30_000


def test_known_topics_stay_and_the_largest_come_next() -> None:
    totals = [("a", 1), ("b", 3), ("c", 2), ("phones", 1), ("c", 2)]

    assert choose_topics(totals, known={"phones", "gone"}, most=2) == TopicChoice(
        frozenset({"phones", "c"}), others=2
    )
    assert choose_topics([], known={"phones"}, most=2) == TopicChoice(frozenset(), others=0)


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3), st.integers(1, 5)
        )
    ),
    st.sets(st.text("ab", max_size=1)),
    st.integers(1, 4),
)
def test_the_choice_is_that_of_a_sorted_list(
    totals: list[tuple[str, int]], known: set[str], most: int
) -> None:
    sums: Counter[str] = Counter()
    for topic, predictions in totals:
        sums[topic] += predictions
    ranked = sorted(sums, key=lambda topic: (topic not in known, -sums[topic], topic))

    choice = choose_topics(totals, known=known, most=most)

    assert choice == TopicChoice(frozenset(ranked[:most]), max(0, len(ranked) - most))


def test_topics_of_several_hours_are_chosen_by_their_sum(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    for hour, topics in enumerate(("aab", "bbc", "c")):
        entries = make_entries(len(topics), EIGHT + timedelta(hours=hour))
        journal.append(
            [dataclasses.replace(entry, topic=topic) for entry, topic in zip(entries, topics, strict=True)]
        )

    assert journal.choose_topics("", "9999", known=(), most=1) == TopicChoice(frozenset("b"), others=2)
    counts = journal.counts("", "9999", named={"b"}, other="other")
    assert [(count.topic, count.predictions, count.readable) for count in counts] == [
        ("other", 4, 4),
        ("b", 3, 3),
    ]
    assert sum(count.confidence for count in counts) == pytest.approx(4.9)
    assert [count.topic for count in journal.counts(HOUR[0], HOUR[1])] == ["a", "b"]
