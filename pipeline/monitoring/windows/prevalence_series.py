"""The series of prevalence that the windows hold, as rows for whoever publishes it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pipeline.base import logs, times
from pipeline.base.config import Workspace
from pipeline.base.documents import PrevalenceMethod, WindowReport
from pipeline.monitoring.windows.files import read_window, window_paths


@dataclass(frozen=True)
class PrevalenceRow:
    """The share of one label among the texts of a topic in one window.

    `low` and `high` are None where the share is not corrected: `share` is the raw one then, and `reason` says
    why. `labels_used` counts audit labels.
    """

    start: str
    end: str
    topic: str
    label: str
    texts: int
    release: str
    share: float
    low: float | None
    high: float | None
    method: PrevalenceMethod
    labels_used: int
    raw_share: float
    mean_probability: float | None
    reason: str | None


def read_prevalence(
    workspace: Workspace, topic: str, *, since: datetime | None = None, until: datetime | None = None
) -> Iterator[PrevalenceRow]:
    """Yield the prevalence of a topic in each window that starts from `since` up to and without `until`.

    Windows come in order, with one row a label. A window with too few texts has none, and a file that is no
    window report is passed over.
    """
    for path in window_paths(workspace):
        try:
            rows = list(_rows(read_window(path), topic, since, until))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            logs.get("watch").warning("window.unreadable", file=path.name)
            continue
        yield from rows


def _rows(
    window: WindowReport, topic: str, since: datetime | None, until: datetime | None
) -> Iterator[PrevalenceRow]:
    begins, report = times.parse_time(window["window"]["start"]), window["topics"].get(topic)
    if report is None or (since and begins < since) or (until and begins >= until):
        return
    for label, entry in (report["prevalence"] or {}).items():
        corrected = entry["corrected"]
        yield PrevalenceRow(
            start=window["window"]["start"],
            end=window["window"]["end"],
            topic=topic,
            label=label,
            texts=report["texts"],
            release=window["release"],
            share=entry["share"],
            low=entry["low"] if corrected else None,
            high=entry["high"] if corrected else None,
            method=entry["method"],
            labels_used=entry["labels"],
            raw_share=entry["raw"],
            mean_probability=entry["mean_probability"],
            reason=entry.get("why"),
        )
