"""The topics of a window: bounded, the known ones first, and none of their texts is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.io.journal.reader import PredictionCount
from pipeline.monitoring.window_counts import ALL, OTHER, choose_topics, count_window


def count(topic: str, predictions: int) -> PredictionCount:
    return PredictionCount(
        release="R1", topic=topic, label="positive", predictions=predictions, confidence=0.5, readable=0
    )


@pytest.mark.attack("A3")
def test_topics_without_end_are_one_topic_and_known_ones_stay() -> None:
    flood = [count(f"t{number}", 60) for number in range(15_000)]

    named = choose_topics([*flood, count("phones", 50)], known={"phones"}, most=100)

    assert len(named) == 100
    assert "phones" in named


def test_the_largest_topics_are_named() -> None:
    assert choose_topics([count("a", 1), count("b", 3), count("c", 2)], known=(), most=2) == {"b", "c"}


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 9)), st.integers(1, 8))
def test_every_prediction_is_counted_once_beside_all(sizes: dict[str, int], most: int) -> None:
    counts = [count(topic, size) for topic, size in sizes.items()]
    named = choose_topics(counts, known=(), most=most)

    window = count_window(None, counts, start="", end="", release="R1", named=named)  # type: ignore[arg-type]

    total = sum(sizes.values())
    assert window.topics[ALL].texts == total
    assert sum(topic.texts for name, topic in window.topics.items() if name != ALL) == total
    assert len(window.topics) <= most + 2
    assert (OTHER in window.topics) == (len(sizes) > most)
