"""The topics of a window: bounded, the known ones first, and none of their texts is lost."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.io.journal.counting import PredictionCount, choose_topics
from pipeline.monitoring.window_counts import ALL, OTHER, count_window


def count(topic: str, predictions: int) -> PredictionCount:
    return PredictionCount(
        release="R1", topic=topic, label="positive", predictions=predictions, confidence=0.5, readable=0
    )


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 9)), st.integers(1, 8))
def test_every_prediction_is_counted_once_beside_all(sizes: dict[str, int], most: int) -> None:
    counts = [count(topic, size) for topic, size in sizes.items()]
    named = choose_topics(sizes.items(), known=(), most=most).named

    window = count_window(None, counts, start="", end="", release="R1", named=named)  # type: ignore[arg-type]

    total = sum(sizes.values())
    assert window.topics[ALL].texts == total
    assert sum(topic.texts for name, topic in window.topics.items() if name != ALL) == total
    assert len(window.topics) <= most + 2
    assert (OTHER in window.topics) == (len(sizes) > most)
