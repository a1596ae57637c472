"""What in the windows somebody should know: drift that lasts, and a change of tone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.base.records import Alert

Document = Mapping[str, Any]
ONE = 2  # all texts together, and the one topic they are of


def alerts_from_windows(
    seen: Sequence[Document], happened: Mapping[str, Sequence[Mapping[str, Any]]], written: Sequence[str]
) -> list[Alert]:
    """Give an alert for each alarm and each tone event that the windows just written brought."""
    fresh = [document for document in seen if document["window"]["start"].replace(":", "-") in set(written)]
    return [*_drifts(fresh), *_events(happened, fresh)]


def _drifts(fresh: Sequence[Document]) -> Iterator[Alert]:
    for document in fresh:
        for topic in _told_apart(document):
            drift = document["topics"][topic]["drift"]
            if drift and drift["alarm"]:
                yield _drift(document, topic, drift)


def _drift(document: Document, topic: str, drift: Mapping[str, Any]) -> Alert:
    start = document["window"]["start"]
    moved = (
        ", ".join(name for name, detector in drift["detectors"].items() if detector["drifted"])
        or "all detectors together"
    )
    ids = ", ".join(f"{example['request']}/{example['position']}" for example in drift["examples"])
    return Alert(
        key=f"drift/{topic}/{drift['kind']}",
        kind="drift",
        topic=topic,
        time=document["window"]["end"],
        title=f"Drift of kind {drift['kind']} in {topic}",
        message=(
            f"Since {start} the texts of topic {topic} differ from what {document['release']} was judged by (moved: {moved}; "
            f"p = {drift['p']:.4f}, alarms below {drift['level']:.4f}). The texts that moved it most: {ids}."
        ),
        hard=True,
    )


def _told_apart(document: Document) -> list[str]:
    """Name the topics of a window; where there is only one, it is all texts, and nothing is told of it twice."""
    topics = list(document["topics"])
    return topics if len(topics) > ONE else topics[:1]


def _events(
    happened: Mapping[str, Sequence[Mapping[str, Any]]], fresh: Sequence[Document]
) -> Iterator[Alert]:
    if not fresh:
        return
    last, apart = fresh[-1]["window"]["end"], _told_apart(fresh[-1])
    for topic, found in happened.items():
        for event in found if topic in apart else ():
            yield Alert(
                # Found again in every later pass, it is known by the window that showed it first.
                key=f"event/{topic}/{event['label']}/{event['found']}",
                kind="event",
                topic=topic,
                time=last,
                title=f"{event['label']} in {topic} went from {event['before']:.0%} to {event['after']:.0%}",
                message=(
                    f"Since {event['time']} the share of {event['label']} in topic {topic} is {event['after']:.3f}, before it was "
                    f"{event['before']:.3f}: a change of {event['change']:+.3f} ({event['low']:+.3f} to {event['high']:+.3f})."
                ),
            )
