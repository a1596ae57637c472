"""What the windows say about one topic, as charts, and beside each the table that says the same in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.base import logs
from pipeline.monitoring import model_change
from pipeline.report.charts.series import WIDE, Point, SeriesEvent, series_plot, strip_plot, volume_path
from pipeline.report.charts.time_axis import TimeSpan
from pipeline.report.formatting import percent, score, utc_time

Document = Mapping[str, Any]
ALL = "all"
VOLUME_HEIGHT = 26.0
NEAR = 0.05  # a p-value below it is shown, though nothing follows from it
TRUE = "from true labels"
TOGETHER = "All together"
DETECTOR_NAMES = {
    "label": "Share of the labels",
    "confidence": "Confidence",
    "length": "Length",
    "unknown": "Unknown tokens",
    "language": "Language",
    "mmd": "Meaning (MMD)",
    "classifier": "Told apart by a classifier",
}


def span_of(seen: Sequence[Document]) -> TimeSpan:
    """Cover every window, so that all charts of a page share their axis of time."""
    return TimeSpan.of(seen[0]["window"]["start"], seen[-1]["window"]["end"])


def topics_of(seen: Sequence[Document]) -> list[str]:
    """Name every topic that some window has texts of; all together first, then the one with the most texts."""
    texts: dict[str, int] = {}
    for document in seen:
        for topic, found in document["topics"].items():
            texts[topic] = texts.get(topic, 0) + int(found["texts"])
    return sorted(texts, key=lambda topic: (topic != ALL, -texts[topic], topic))


def prevalence_chart(
    seen: Sequence[Document], happened: Mapping[str, Sequence[Mapping[str, Any]]], topic: str
) -> dict[str, Any]:
    """Draw the share of each label over time with its interval, changes of the model and of the tone marked."""
    parts, span = _parts(seen, topic), span_of(seen)
    lines, shifted = _bridged(seen, topic)
    breaks = [
        _break(document["break"], document["window"]["start"], shifted=shifted)
        for document in seen
        if document.get("break")
    ]
    events = [_event(one) for one in happened.get(topic, ())]
    there = {name: {point.start: point for point in line} for name, line in lines.items()}
    rows = [_tone_row(document, part, there, span) for document, part in reversed(parts)]
    marks = [(one["time"], f"{one['from']} → {one['to']}") for one in breaks]
    return {
        "plot": series_plot(lines, span, floor=0.0, most=WIDE, marks=marks, events=events),
        "volume": volume_path(
            [(*_ends(document), int(part["texts"])) for document, part in parts], span, VOLUME_HEIGHT
        ),
        "volume_height": VOLUME_HEIGHT,
        "labels": list(lines),
        "now": [
            {"label": name, "start": line[-1].start, "point": line[-1], "first": line[0]}
            for name, line in lines.items()
            if line
        ],
        "rows": rows,
        "breaks": breaks,
        "events": [{"told": one.told, "rising": one.rising, "time": one.time} for one in reversed(events)],
        "silent": sum(not part["shares"] for _, part in parts),
        "uncorrected": _uncorrected(parts),
        "told": "; ".join(
            f"{name} from {percent(line[0].value, 1)} to {percent(line[-1].value, 1)}"
            for name, line in lines.items()
            if line
        ),
    }


def drift_chart(seen: Sequence[Document], topic: str) -> dict[str, Any]:
    """Draw which detectors a window moved in and where that became an alarm; list the alarms with the texts that moved them."""
    found = [(document, part["drift"]) for document, part in _parts(seen, topic) if part.get("drift")]
    span = span_of(seen)
    names = list(dict.fromkeys(name for _, one in found for name in one["detectors"]))
    lanes = {TOGETHER: [_overall(document, one) for document, one in found]}
    lanes |= {
        DETECTOR_NAMES.get(name, name.replace("_", " ")): [
            _single(document, one["detectors"].get(name)) for document, one in found
        ]
        for name in names
    }
    rows = [_drift_row(document, one, span) for document, one in reversed(found)]
    return {
        "plot": strip_plot(lanes, span),
        "rows": rows,
        "alarms": _episodes(rows),
        "judged": len(rows),
        "drifted": sum(row["drifted"] for row in rows),
    }


def quality_chart(seen: Sequence[Document], topic: str) -> dict[str, Any]:
    """Draw the accuracy that true labels show and the one that calibrated confidence lets expect."""
    parts, span = _parts(seen, topic), span_of(seen)
    lines = {
        name: points
        for name, key in ((TRUE, "observed"), ("estimated without labels", "estimated"))
        if (points := [_point(document, part[key], "accuracy") for document, part in parts if part.get(key)])
    }
    rows = [
        _quality_row(document, part, span)
        for document, part in reversed(parts)
        if part.get("observed") or part.get("estimated")
    ]
    return {
        "plot": series_plot(lines, span, floor=None, scattered=(TRUE,)) if lines else None,
        "lines": list(lines),
        "rows": rows,
        "labels": sum(row["labels"] or 0 for row in rows),
        "told": "; ".join(f"{name} last {percent(line[-1].value, 1)}" for name, line in lines.items()),
    }


def _parts(seen: Sequence[Document], topic: str) -> list[tuple[Document, Mapping[str, Any]]]:
    return [(document, document["topics"][topic]) for document in seen if topic in document["topics"]]


def _ends(document: Document) -> tuple[str, str]:
    return str(document["window"]["start"]), str(document["window"]["end"])


def _point(document: Document, found: Mapping[str, Any], name: str) -> Point:
    return Point(*_ends(document), float(found[name]), float(found["low"]), float(found["high"]))


def _bridged(seen: Sequence[Document], topic: str) -> tuple[dict[str, list[Point]], bool]:
    """Give the series of each label, and whether what came before a change of the model is shifted by what it did."""
    windows = {document["window"]["start"]: document for document in seen}
    try:
        found = model_change.bridge_topic(seen, topic).items()
        return {
            label: [_point(windows[one["start"]], one, "share") for one in points] for label, points in found
        }, True
    except Exception as error:  # a break that cannot be bridged is still shown as a break
        logs.get("overview").error("not bridged", why=type(error).__name__)
        return _as_measured(seen, topic), False


def _as_measured(seen: Sequence[Document], topic: str) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for document, part in _parts(seen, topic):
        for label, one in (part["shares"] or {}).items():
            found.setdefault(label, []).append(_point(document, one, "share"))
    return dict(sorted(found.items()))


def _uncorrected(parts: Sequence[tuple[Document, Mapping[str, Any]]]) -> str | None:
    """Say why the newest shares are as they were counted; None where they are corrected."""
    newest: Mapping[str, Any] = next((part["shares"] for _, part in reversed(parts) if part["shares"]), {})
    return next((str(one["why"]) for one in newest.values() if not one.get("corrected", True)), None)


def _break(found: Mapping[str, Any], time: str, *, shifted: bool) -> dict[str, Any]:
    """Tell what a change of the model did to each share, on texts that both answered."""
    labels = [
        f"{label} {one['difference']:+.1%} ({one['low']:+.1%} to {one['high']:+.1%})"
        for label, one in (found.get("labels") or {}).items()
    ]
    why = found.get("why") or "it was not measured"
    told = (
        f"on {found['texts']:,} texts that both answered it moved {', '.join(labels)}"
        if labels
        else f"what it did is not known: {why}"
    )
    return {
        "time": time,
        "from": str(found["from"]),
        "to": str(found["to"]),
        "bridged": shifted and bool(labels),
        "told": told,
    }


def _event(one: Mapping[str, Any]) -> SeriesEvent:
    rising = one["after"] > one["before"]
    told = (
        f"{one['label']} {'rose' if rising else 'fell'} from {one['before']:.1%} to {one['after']:.1%} at {utc_time(one['time'])} "
        f"({one['change']:+.1%}, {one['low']:+.1%} to {one['high']:+.1%})"
    )
    return SeriesEvent(str(one["time"]), str(one["label"]), float(one["after"]), rising, told)


def _tone_row(
    document: Document, part: Mapping[str, Any], there: Mapping[str, Mapping[str, Point]], span: TimeSpan
) -> dict[str, Any]:
    shares = {name: line.get(document["window"]["start"]) for name, line in there.items()}
    return {
        **_row(document, span),
        "texts": int(part["texts"]),
        "release": document["release"],
        "shares": shares,
    }


def _row(document: Document, span: TimeSpan) -> dict[str, Any]:
    start, end = _ends(document)
    return {"at": round((span.at(start) + span.at(end)) / 2, 3), "start": start}


def _overall(document: Document, found: Mapping[str, Any]) -> tuple[str, str, str]:
    return (*_ends(document), "alarm" if found["alarm"] else "drifted" if found["drifted"] else "calm")


def _single(document: Document, found: Mapping[str, Any] | None) -> tuple[str, str, str]:
    meaning = (
        "unseen"
        if found is None
        else "drifted"
        if found["drifted"]
        else "near"
        if found["p"] < NEAR
        else "calm"
    )
    return (*_ends(document), meaning)


def _drift_row(document: Document, found: Mapping[str, Any], span: TimeSpan) -> dict[str, Any]:
    moved = [
        DETECTOR_NAMES.get(name, name.replace("_", " "))
        for name, one in found["detectors"].items()
        if one["drifted"]
    ]
    state = "alarm" if found["alarm"] else "drifted" if found["drifted"] else "calm"
    examples = [f"{one['request']}/{one['position']}" for one in found.get("examples") or ()]
    row = _row(document, span)
    return {
        **row,
        **{name: found.get(name) for name in ("p", "kind", "drifted", "alarm")},
        "moved": moved,
        "state": state,
        "examples": examples,
    }


def _episodes(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Gather windows in a row that alarmed for one kind of drift, the newest first; the newest window tells what moved."""
    found: list[dict[str, Any]] = []
    before: Mapping[str, Any] | None = None
    for row in rows:
        if (
            row["alarm"]
            and found
            and before is not None
            and before["alarm"]
            and before["kind"] == row["kind"]
        ):
            found[-1] |= {"since": row["start"], "windows": found[-1]["windows"] + 1}
        elif row["alarm"]:
            found.append({**row, "since": row["start"], "windows": 1})
        before = row
    return found


def _quality_row(document: Document, part: Mapping[str, Any], span: TimeSpan) -> dict[str, Any]:
    observed, estimated = part.get("observed"), part.get("estimated")
    return {
        **_row(document, span),
        "labels": observed and int(observed["labels"]),
        "observed": _interval(observed),
        "macro_f1": score(observed and observed.get("macro_f1")),
        "estimated": _interval(estimated),
    }


def _interval(found: Mapping[str, Any] | None) -> str:
    return (
        f"{percent(found['accuracy'], 1)} ({percent(found['low'], 1)} to {percent(found['high'], 1)})"
        if found
        else "–"
    )
