"""Silence: no text at hours that always had some."""

import pytest
from service_weeks import DAY, start_of

from pipeline.core.change.silence import find_silence, learn_activity


def learn(texts: list[int]) -> tuple[str, dict[str, float]]:
    return learn_activity({start_of(hour): count for hour, count in enumerate(texts) if count}, minutes=60)


def silence(texts: list[int], *, after: int, until: int, least: int = 50) -> object:
    cycle, active = learn(texts)
    return find_silence(
        active, cycle, after=start_of(after), until=start_of(until), minutes=60, min_texts=least
    )


def test_two_empty_windows_at_busy_hours_are_a_silence() -> None:
    found = silence([100] * 4 * DAY, after=4 * DAY - 1, until=4 * DAY + 2)

    assert found is not None
    assert (found.since, found.shown_by, found.usual_texts) == (start_of(4 * DAY), start_of(4 * DAY + 1), 200)
    assert silence([100] * 4 * DAY, after=4 * DAY - 1, until=4 * DAY + 1) is None


def test_a_night_that_is_always_empty_is_no_silence() -> None:
    day = [0] * 8 + [100] * 16
    assert silence(day * 4, after=4 * DAY - 1, until=4 * DAY + 9) is None
    found = silence(day * 4, after=4 * DAY - 1, until=4 * DAY + 10)
    assert found is not None
    assert found.since == start_of(4 * DAY + 8)


def test_a_topic_of_few_texts_needs_many_empty_windows() -> None:
    assert silence([5] * 4 * DAY, after=4 * DAY - 1, until=4 * DAY + 9) is None
    assert silence([5] * 4 * DAY, after=4 * DAY - 1, until=4 * DAY + 10) is not None


def test_an_hour_that_was_empty_once_tells_nothing() -> None:
    texts = [100] * 4 * DAY
    texts[DAY + 5] = 0
    assert "05:00" not in learn(texts)[1]


@pytest.mark.parametrize("until", [0, 4 * DAY - 50])
def test_a_clock_set_back_is_no_silence(until: int) -> None:
    assert silence([100] * 4 * DAY, after=4 * DAY - 1, until=until) is None


def test_a_jump_of_the_clock_while_learning_takes_no_time() -> None:
    texts = {start_of(hour): 100 for hour in range(3 * DAY)} | {"1970-01-01T00:00:00Z": 100}

    assert len(learn_activity(texts, minutes=60)[1]) == DAY
