"""The headline of a topic's page: which alarms are active, or why nothing can be said."""

from collections.abc import Sequence
from typing import Literal, TypedDict

from pipeline.base.documents import ChangeAlarm, ChangeStates, WindowReport
from pipeline.monitoring.window_alerts import KINDS, alarm_sentence, topic_name
from pipeline.operations.dashboard.charts import ALL
from pipeline.report.formatting import utc_time

SHOWN = 3  # active alarms named in the headline


class ChangeEntry(TypedDict):
    """An alarm in words; `until` is None while it is active, `same_as` set where another one was alerted."""

    kind: str
    topic: str
    since: str
    until: str | None
    sentence: str
    same_as: str | None


class Headline(TypedDict):
    """The present state in a few words, its colour, and a sentence that explains it.

    `verdict` is refused while an alarm is active, accepted where the topic is judged and nothing differs, and
    now where nothing is known. `alarms` are all of the page, the newest first.
    """

    verdict: Literal["refused", "accepted", "now"]
    title: str
    sentence: str
    alarms: list[ChangeEntry]


def headline(states: ChangeStates | None, windows: Sequence[WindowReport], topic: str) -> Headline:
    """Tell the present state of a topic; the page of all texts tells of the alarms of every topic."""
    if states is None or not states["judged"]:
        return _unknown("Not judged yet", "No window has been judged yet. `tonewatch watch` judges them.")
    alarms = [
        alarm
        for alarm in reversed(states["alarms"])
        if topic in (ALL, alarm["topic"]) or (alarm["topic"], alarm["kind"]) == (ALL, "silence")
    ]
    entries = [_entry(alarm) for alarm in alarms]
    active = [alarm for alarm in alarms if alarm["until"] is None]
    state = states["topics"].get(topic)
    if active:
        return {
            "verdict": "refused",
            "title": _active(active),
            "sentence": state["sentence"] if state else "",
            "alarms": entries,
        }
    if state is None:
        return {**_unknown("Not judged", "Changes of this topic are not looked for."), "alarms": entries}
    if state["state"] != "judged":
        title = "Learning" if state["state"] == "learning" else "Not judged"
        return {**_unknown(title, state["sentence"]), "alarms": entries}
    kind = _difference(windows, topic)
    title = f"No change, but {kind} differs from the training data" if kind else "No change"
    return {
        "verdict": "now" if kind else "accepted",
        "title": title,
        "sentence": state["sentence"],
        "alarms": entries,
    }


def _unknown(title: str, sentence: str) -> Headline:
    return {"verdict": "now", "title": title, "sentence": sentence, "alarms": []}


def _active(alarms: Sequence[ChangeAlarm]) -> str:
    named = "; ".join(_name(alarm) for alarm in alarms[:SHOWN])
    more = f"; and {len(alarms) - SHOWN} more" if len(alarms) > SHOWN else ""
    return f"{len(alarms)} {'active alarm' if len(alarms) == 1 else 'active alarms'}: {named}{more}"


def _name(alarm: ChangeAlarm) -> str:
    what = "no texts" if alarm["kind"] == "silence" else KINDS[alarm["kind"]]
    return f"{what} in {topic_name(alarm['topic'])} since {utc_time(alarm['since'])}"


def _difference(windows: Sequence[WindowReport], topic: str) -> str | None:
    """Return the kind in which the newest window of a topic differs from the training data."""
    reports = [window["topics"][topic]["drift"] for window in windows if topic in window["topics"]]
    newest = next((report for report in reversed(reports) if report), None)
    if newest is None or not newest["drifted"]:
        return None
    return KINDS.get(str(newest["kind"]), "the mix of texts")


def _entry(alarm: ChangeAlarm) -> ChangeEntry:
    return {
        "kind": alarm["kind"],
        "topic": alarm["topic"],
        "since": alarm["since"],
        "until": alarm["until"],
        "sentence": alarm_sentence(alarm),
        "same_as": alarm.get("same_as"),
    }
