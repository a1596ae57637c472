"""The headline tells the present state: which alarms are active, learning, or that nothing has changed."""

from typing import Any

import pytest

from pipeline.operations.dashboard.headline import headline

ALARM = {
    "topic": "phones",
    "kind": "encoding",
    "series": "unknown",
    "release": "R1",
    "since": "2026-11-25T02:00:00Z",
    "detected": "2026-11-25T03:00:00Z",
    "until": None,
    "before": 0.004,
    "after": 0.15,
}


def states(*alarms: dict[str, Any], state: str = "judged") -> Any:
    topic = {"state": state, "sentence": "In words.", "release": "R1", "last_window": "2026-11-25T07:00:00Z"}
    return {
        "judged": "2026-11-25T07:00:00Z",
        "topics": {"all": topic, "phones": topic, "trains": topic},
        "alarms": list(alarms),
    }


def windows(*, drifted: bool) -> Any:
    return [{"topics": {"phones": {"drift": {"drifted": drifted, "kind": "topic" if drifted else None}}}}]


@pytest.mark.parametrize("topic", ["all", "phones"])
def test_a_standing_alarm_is_named_with_kind_topic_and_since(topic: str) -> None:
    shown = headline(states(ALARM), [], topic)

    assert (shown["verdict"], shown["title"]) == (
        "refused",
        "1 active alarm: encoding in topic phones since 2026-11-25 02:00 UTC",
    )


def test_several_alarms_are_counted_and_the_newest_named() -> None:
    alarms = [{**ALARM, "kind": kind} for kind in ("language", "encoding", "topic", "label")]
    shown = headline(states(*alarms), [], "phones")

    assert shown["title"].startswith("4 active alarms: predicted labels in topic phones")
    assert shown["title"].endswith("; and 1 more")


def test_the_page_of_another_topic_does_not_tell_of_it() -> None:
    assert headline(states(ALARM), [], "trains")["title"] == "No change"


def test_silence_of_all_topics_is_shown_on_every_page() -> None:
    shown = headline(states({**ALARM, "topic": "all", "kind": "silence"}), [], "trains")

    assert shown["title"] == "1 active alarm: no texts in all texts since 2026-11-25 02:00 UTC"


def test_an_alarm_that_has_ended_stands_no_longer_but_is_listed() -> None:
    shown = headline(states({**ALARM, "until": "2026-11-25T06:00:00Z"}), [], "phones")

    assert (shown["verdict"], len(shown["alarms"])) == ("accepted", 1)


def test_green_is_never_shown_while_the_detectors_stand_out() -> None:
    differing = headline(states(), windows(drifted=True), "phones")
    calm = headline(states(), windows(drifted=False), "phones")

    assert (differing["verdict"], calm["verdict"]) == ("now", "accepted")
    assert differing["title"] == "No change, but what is written about differs from the training data"


@pytest.mark.parametrize(("state", "title"), [("learning", "Learning"), ("not judged", "Not judged")])
def test_what_is_not_known_is_not_green(state: str, title: str) -> None:
    shown = headline(states(state=state), windows(drifted=False), "phones")

    assert (shown["verdict"], shown["title"], shown["sentence"]) == ("now", title, "In words.")


def test_before_the_first_pass_nothing_is_claimed() -> None:
    assert headline(None, [], "all")["verdict"] == "now"
    assert headline({"judged": "", "topics": {}, "alarms": []}, [], "all")["title"] == "Not judged yet"
