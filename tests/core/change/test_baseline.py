"""The baseline of a topic: which windows it is learnt from, and what it holds."""

import pytest
from service_weeks import DAY, start_of, window_reports

from pipeline.core.change.baseline import MIN_WINDOWS, TopicWindow, learn, learning_time


def windows(hours: int, **settings: object) -> list[TopicWindow]:
    return [
        TopicWindow(
            report["window"]["start"],
            "R1",
            report["topics"]["phones"]["texts"],
            report["topics"]["phones"].get("profile"),
        )
        for report in window_reports({"phones": settings}, hours)
    ]


def test_the_learning_time_is_over_after_so_many_days_with_texts() -> None:
    days = learning_time(windows(7 * DAY), weeks=1.0)
    over = learning_time(windows(7 * DAY + 1), weeks=1.0)

    assert days.until == "2026-01-12"
    assert (over.until, len(over.windows)) == (None, 7 * DAY)


def test_windows_of_too_few_texts_are_no_part_of_it() -> None:
    assert learning_time(windows(60, texts=30), weeks=1.0).windows == ()


def test_a_few_windows_are_not_enough_whatever_the_configuration() -> None:
    daily = [window for window in windows(10 * DAY) if window.start.endswith("T09:00:00Z")]

    assert learning_time(daily, weeks=1 / 7).until is not None
    assert len(daily) < MIN_WINDOWS


def test_the_baseline_holds_the_usual_languages_and_series() -> None:
    learnt = windows(4 * DAY, foreign=0.2)
    baseline = learn(
        learnt,
        counts={window.start: window.texts for window in learnt},
        minutes=60,
        log_threshold=13.0,
    )

    assert baseline["languages"] == ["en", "de"]
    assert (baseline["first"], baseline["last"]) == (start_of(0), start_of(4 * DAY - 1))
    assert {name.partition("/")[0] for name in baseline["series"]} == {
        "confidence", "label", "language", "length", "topic", "unknown",
    }  # fmt: skip
    assert sum(baseline["active"].values()) == pytest.approx(400 * len(baseline["active"]))


def test_a_topic_that_changes_while_it_is_learnt_is_widened() -> None:
    steady, moved = (
        learn(
            learnt,
            counts={window.start: window.texts for window in learnt},
            minutes=60,
            log_threshold=13.0,
        )["series"]["unknown"]
        for learnt in (
            windows(4 * DAY),
            windows(4 * DAY, unknown=[0.004] * 2 * DAY + [0.1] * 2 * DAY),
        )
    )

    assert moved["level"] * moved["scale"] > 10 * steady["level"] * steady["scale"]
