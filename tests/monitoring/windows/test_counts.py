"""The topics of a window: bounded, the known ones first, and none of their texts is lost."""

import dataclasses
from datetime import timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from journal_fixtures import EIGHT, ENTRY, stamp

from pipeline.io.journal.counting import PredictionCount, choose_topics
from pipeline.io.journal.journal import Journal, request_id
from pipeline.io.journal.reader import JournalReader
from pipeline.monitoring.windows.counts import ALL, OTHER, count_window


def count(topic: str, predictions: int) -> PredictionCount:
    return PredictionCount(
        release="R1", topic=topic, label="positive", predictions=predictions, confidence=0.5, readable=0
    )


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 9)), st.integers(1, 8))
def test_every_prediction_is_counted_once_beside_all(sizes: dict[str, int], most: int) -> None:
    counts = [count(topic, size) for topic, size in sizes.items()]
    named = choose_topics(sizes.items(), known=(), most=most).named

    window = count_window(
        JournalReader(Path("no journal")), counts, start="", end="", release="R1", named=named
    )

    total = sum(sizes.values())
    assert window.topics[ALL].texts == total
    assert sum(topic.texts for name, topic in window.topics.items() if name != ALL) == total
    assert len(window.topics) <= most + 2
    assert (OTHER in window.topics) == (len(sizes) > most)


def test_probabilities_are_summed_by_topic_and_label_for_one_release(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    spread = ((0.5, 0.25, 0.25), (0.25, 0.5, 0.25), (0.0, 0.0, 1.0))
    journal.append(
        [
            dataclasses.replace(
                ENTRY,
                request=request_id(EIGHT),
                position=position,
                time=stamp(EIGHT),
                topic=topic,
                release=release,
                probabilities=probabilities,
            )
            for position, (topic, release, probabilities) in enumerate(
                zip(("phones", "trains", "phones"), ("R1", "R1", "R2"), spread, strict=True)
            )
        ]
    )
    start, end = stamp(EIGHT), stamp(EIGHT + timedelta(hours=1))
    window = count_window(
        journal, journal.counts(start, end), start=start, end=end, release="R1", named={"phones"}
    )

    assert window.topics["phones"].probabilities == {0: 0.5, 1: 0.25, 2: 0.25}
    assert window.topics["other"].squares == {0: 0.0625, 1: 0.25, 2: 0.0625}
    assert window.topics["all"].probabilities == {0: 0.75, 1: 0.75, 2: 0.5}
