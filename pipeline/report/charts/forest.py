"""Lay out a forest plot: for each slice its difference to the champion with its interval, over one axis."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from pipeline.base.documents.card import CardDifference
from pipeline.report.charts.axes import Name, Tick, domain, scale, short_name, steps, tick_label

LEFT, RIGHT = 112.0, 344.0  # of the axis: names are before it, figures after
ROW, HEAD, GAP = 24.0, 20.0, 8.0


@dataclass(frozen=True)
class Slice:
    """One placed slice."""

    name: Name
    y: float
    value: float
    low: float
    high: float
    figure: str
    significant: bool
    title: str


@dataclass(frozen=True)
class ForestPlot:
    """Rows under the heads of their kinds, with the lines of no difference and of the margin."""

    height: float
    top: float
    base: float
    ticks: tuple[Tick, ...]
    heads: tuple[Tick, ...]
    rows: tuple[Slice, ...]
    zero: float
    margin: float | None
    worse: tuple[str, ...]


def forest_plot(rows: Sequence[CardDifference], *, margin: float | None) -> ForestPlot:
    """Place slices named `kind=value`, kind by kind; `margin` is the tolerated drop."""
    values = [0.0, *(value for row in rows for value in (row["low"], row["difference"], row["high"]))]
    if margin is not None:
        values.append(-margin)
    low, high, step = domain(min(values), max(values))
    x = scale(low, high, LEFT, RIGHT)
    heads, placed, y = [], [], 4.0
    for kind, members in groupby(rows, key=lambda row: str(row["name"]).partition("=")[0]):
        heads.append(Tick(y + 14, kind))
        y += HEAD
        for row in members:
            placed.append(_row(row, y + ROW / 2, x))
            y += ROW
        y += GAP
    return ForestPlot(
        height=y + 20,
        top=4.0,
        base=y,
        ticks=tuple(Tick(x(value), tick_label(value, step, True)) for value in steps(low, high, step)),
        heads=tuple(heads),
        rows=tuple(placed),
        zero=x(0),
        margin=None if margin is None else x(-margin),
        worse=tuple(str(row["name"]) for row in rows if row["significant"]),
    )


def _row(row: CardDifference, y: float, x: Callable[[float], float]) -> Slice:
    bounds = f"{row['low']:+.3f} to {row['high']:+.3f}"
    return Slice(
        name=short_name(str(row["name"]).partition("=")[2] or str(row["name"]), 0, LEFT - 20),
        y=y,
        value=x(row["difference"]),
        low=x(row["low"]),
        high=x(row["high"]),
        figure=f"{row['difference']:+.3f}",
        significant=row["significant"],
        title=f"{row['name']}: {row['difference']:+.3f} ({bounds}) on {row['texts']:,} texts",
    )
