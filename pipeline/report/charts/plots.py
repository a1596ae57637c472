"""Lay out plots: figures in, coordinates out; `plots.svg.j2` draws them.

Drawn by hand and not by matplotlib: shapes follow the page's colours in the light and in the dark, text stays
text, equal figures give equal bytes, and nothing costs seconds to import.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.base.documents import CalibrationBin
from pipeline.report.charts.axes import (
    CHARACTER,
    WIDTH,
    Name,
    Tick,
    domain,
    scale,
    short_name,
    steps,
    tick_label,
)

ROW = 52.0  # the height of one row of an interval plot


@dataclass(frozen=True)
class Row:
    """One value with its interval; `own` marks the model of the report."""

    label: str
    value: float
    interval: Sequence[float] | None
    own: bool = False


@dataclass(frozen=True)
class PlacedRow:
    """One placed row of an interval plot."""

    label: str
    figures: str
    own: bool
    y: float
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class IntervalPlot:
    """Rows of values over one axis, with a named line across them."""

    height: float
    base: float
    ticks: tuple[Tick, ...]
    rows: tuple[PlacedRow, ...]
    line: Tick | None
    zero: float | None


@dataclass(frozen=True)
class Cell:
    """One cell of the confusion matrix."""

    x: float
    y: float
    count: int
    share: float
    title: str


@dataclass(frozen=True)
class ConfusionPlot:
    """The cells and the labels along both sides."""

    height: float
    left: float
    top: float
    side: float
    slanted: bool
    cells: tuple[Cell, ...]
    rows: tuple[Name, ...]
    columns: tuple[Name, ...]


@dataclass(frozen=True)
class Bin:
    """One dot of the reliability diagram and its bar in the histogram below."""

    x: float
    y: float
    expected: float
    radius: float
    bar_x: float
    bar_y: float
    bar_width: float
    bar_height: float
    title: str


@dataclass(frozen=True)
class ReliabilityPlot:
    """The dots, the frame and the ticks of both axes."""

    height: float
    left: float
    right: float
    top: float
    bottom: float
    floor: float
    across: tuple[Tick, ...]
    upward: tuple[Tick, ...]
    bins: tuple[Bin, ...]


def interval_plot(
    rows: Sequence[Row], *, line: tuple[float, str] | None, signed: bool = False
) -> IntervalPlot:
    """Lay out values with their intervals over one axis; `signed` shows differences and zero."""
    values = [value for row in rows for value in (row.value, *(row.interval or ()))]
    values += ([line[0]] if line else []) + ([0.0] if signed else [])
    low, high, step = domain(min(values), max(values))
    x = scale(low, high, 16, WIDTH - 16)
    base = 10 + ROW * len(rows)
    return IntervalPlot(
        height=base + 26,
        base=base,
        ticks=tuple(Tick(x(value), tick_label(value, step, signed)) for value in steps(low, high, step)),
        rows=tuple(
            _place_row(row, ROW * index + 40, x, "+.3f" if signed else ".3f")
            for index, row in enumerate(rows)
        ),
        line=Tick(x(line[0]), line[1]) if line else None,
        zero=x(0) if signed else None,
    )


def confusion_plot(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> ConfusionPlot:
    """Lay out one cell for each true label (down) and prediction (across), shaded by its share of the row."""
    left = min(130.0, 26 + CHARACTER * max(len(label) for label in labels))
    side = round(min(92.0, (WIDTH - left - 2) / len(labels)), 2)
    slanted = CHARACTER * max(len(label) for label in labels) > side
    top = 104.0 if slanted else 42.0
    middles = [side * (index + 0.5) for index in range(len(labels))]
    return ConfusionPlot(
        height=round(top + side * len(labels) + 4, 2),
        left=left,
        top=top,
        side=side,
        slanted=slanted,
        cells=tuple(
            _cell(
                labels,
                counts,
                truth=truth,
                predicted=predicted,
                x=round(left + side * predicted, 2),
                y=round(top + side * truth, 2),
            )
            for truth in range(len(labels))
            for predicted in range(len(labels))
        ),
        rows=tuple(short_name(label, top + at, left - 22) for label, at in zip(labels, middles, strict=True)),
        columns=tuple(
            short_name(label, left + at, 100 if slanted else side)
            for label, at in zip(labels, middles, strict=True)
        ),
    )


def reliability_plot(bins: Sequence[CalibrationBin]) -> ReliabilityPlot:
    """Lay out one dot for each bin, in proportion to its texts, and its perfectly calibrated place."""
    left, right, top, bottom, floor = 54.0, 392.0, 12.0, 272.0, 342.0
    x, y = scale(0, 1, left, right), scale(0, 1, bottom, top)
    most = max((entry["texts"] for entry in bins), default=1)
    marks = (0.0, 0.25, 0.5, 0.75, 1.0)
    return ReliabilityPlot(
        height=floor + 42,
        left=left,
        right=right,
        top=top,
        bottom=bottom,
        floor=floor,
        across=tuple(Tick(x(mark), f"{mark:g}") for mark in marks),
        upward=tuple(Tick(y(mark), f"{mark:g}") for mark in marks),
        bins=tuple(_bin(entry, x, y, floor=floor, fullness=entry["texts"] / most) for entry in bins),
    )


def _place_row(row: Row, y: float, x: Callable[[float], float], form: str) -> PlacedRow:
    if row.interval is None:
        return PlacedRow(row.label, f"{row.value:{form}}", row.own, y, x(row.value), None, None)
    low, high = row.interval
    figures = f"{row.value:{form}} [{low:{form}}, {high:{form}}]"
    return PlacedRow(row.label, figures, row.own, y, x(row.value), x(low), x(high))


def _cell(
    labels: Sequence[str], counts: Sequence[Sequence[int]], *, truth: int, predicted: int, x: float, y: float
) -> Cell:
    count = counts[truth][predicted]
    share = count / max(1, sum(counts[truth]))
    title = (
        f"{labels[truth]} predicted as {labels[predicted]}: {count:,} texts, {share:.1%} of {labels[truth]}"
    )
    return Cell(x, y, count, share, title)


def _bin(
    entry: CalibrationBin,
    x: Callable[[float], float],
    y: Callable[[float], float],
    *,
    floor: float,
    fullness: float,
) -> Bin:
    height = round(1 + 46 * fullness, 2)
    return Bin(
        x=x(entry["confidence"]),
        y=y(entry["accuracy"]),
        expected=y(entry["confidence"]),
        # The area, not the radius, stands for the number of texts.
        radius=round(2.5 + 5 * math.sqrt(fullness), 2),
        bar_x=round(x(entry["low"]) + 1, 2),
        bar_y=round(floor - height, 2),
        bar_width=round(x(entry["high"]) - x(entry["low"]) - 2, 2),
        bar_height=height,
        title=(
            f"{entry['texts']:,} texts with confidence {entry['confidence']:.2f}: "
            f"{entry['accuracy']:.2f} predicted right"
        ),
    )
