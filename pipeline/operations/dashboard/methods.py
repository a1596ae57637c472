"""How the shares of a window are corrected, in words."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from pipeline.base.documents import PrevalenceMethod, TopicReport, WindowReport

METHODS: Mapping[PrevalenceMethod, str] = {
    "ppi": "corrected by audit labels",
    "pooled": "corrected by few audit labels and other topics",
    "none": "not corrected",
    "confusion": "corrected by test texts",
}
# Releases that are corrected by audit labels estimate the same truth: nothing is to be bridged.
BY_LABELS: tuple[PrevalenceMethod, ...] = ("ppi", "pooled")


def method_of(report: TopicReport) -> PrevalenceMethod | None:
    """Return how the shares of a window are corrected; None where it has too few texts."""
    return next((entry["method"] for entry in (report["prevalence"] or {}).values()), None)


def method_name(report: TopicReport) -> str:
    """Return in words how the shares of a window are corrected; empty where it has too few texts."""
    method = method_of(report)
    return METHODS[method] if method else ""


def method_changes(reports: Sequence[tuple[WindowReport, TopicReport]]) -> list[tuple[str, str]]:
    """Return the start of each window whose method differs from that of the window before, and the method."""
    names = [(window["window"]["start"], name) for window, report in reports if (name := method_name(report))]
    return [after for before, after in pairwise(names) if before[1] != after[1]]
