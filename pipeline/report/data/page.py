"""The page of a data version: self-contained, and every text on it stays a text."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.base.documents.data_report import DataReport, PeriodLabels
from pipeline.report.charts.series import Point, SeriesPlot, series_plot
from pipeline.report.charts.time_axis import TimeSpan
from pipeline.report.rendering import render

STYLES = ("page.css", "data/page.css")
MOST_ROWS, MOST_LINES, MOST_CHARACTERS = 40, 5, 280
CONFIDENCE_Z = 1.96


@dataclass(frozen=True)
class Share:
    """One row of a table: a name, a count, and its share of all."""

    name: str
    count: int
    share: float
    marked: bool = False


def data_page(report: DataReport) -> str:
    """Render the page of a data version; equal reports give equal pages."""
    texts = sum(report.splits.values())
    named = sorted(report.labels, key=lambda label: (-report.labels[label], label))[:MOST_LINES]
    return render(
        "data/page.html.j2",
        styles=STYLES,
        report=report,
        texts=texts,
        losses=_shares(report.losses, report.read),
        duplicates=_shares(report.duplicates, report.read),
        labels=_shares(report.labels, texts),
        languages=_shares(report.languages, texts),
        sources=sorted(report.sources.items(), key=lambda one: (-sum(one[1].values()), one[0]))[:MOST_ROWS],
        words=_bands(report.words, texts, report.max_tokens),
        times=labels_over_time(report.times, named),
        names=named,
        short=shorten,
        most=MOST_ROWS,
    )


def shorten(text: object) -> str:
    """Return the first characters of a text, so that a megabyte of it is no page."""
    whole = str(text)
    return (
        whole if len(whole) <= MOST_CHARACTERS else f"{whole[:MOST_CHARACTERS]}… ({len(whole):,} characters)"
    )


def labels_over_time(times: Sequence[PeriodLabels], labels: Sequence[str]) -> SeriesPlot | None:
    """Lay out the share of each label over time, with its 95 % interval; None for fewer than two periods."""
    if len(times) < 2:
        return None
    lines = {shorten(label): [_point(period, label) for period in times] for label in labels}
    return series_plot(lines, TimeSpan.of(times[0].start, times[-1].end), floor=0.0)


def _point(period: PeriodLabels, label: str) -> Point:
    texts, count = sum(period.counts.values()), period.counts.get(label, 0)
    share = count / texts
    z = CONFIDENCE_Z
    center = (share + z * z / (2 * texts)) / (1 + z * z / texts)
    half = z * math.sqrt(share * (1 - share) / texts + z * z / (4 * texts * texts)) / (1 + z * z / texts)
    return Point(period.start, period.end, share, max(0.0, center - half), min(1.0, center + half))


def _shares(counts: Mapping[str, int], whole: int) -> list[Share]:
    rows = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:MOST_ROWS]
    return [Share(name or "–", number, number / whole if whole else 0.0) for name, number in rows]


def _bands(words: Mapping[int, int], texts: int, limit: int) -> list[Share]:
    starts = sorted(words)
    pairs = itertools.pairwise([*starts, None])
    ends = [_end(start, after) for start, after in pairs if start is not None]
    names = [f"{start} {end}".strip() for start, end in zip(starts, ends, strict=True)]
    return [
        Share(name, words[start], words[start] / texts if texts else 0.0, start > limit)
        for name, start in zip(names, starts, strict=True)
    ]


def _end(start: int, after: int | None) -> str:
    if after is None:
        return "and more"
    return f"to {after - 1}" if after - 1 > start else ""
