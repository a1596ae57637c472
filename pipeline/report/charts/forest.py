"""Where the marks of a forest plot go: one row for each slice, its difference to the champion and the interval, over one axis."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from pipeline.report.charts.axes import Name, Tick, domain, scale, short_name, steps, tick_label

LEFT, RIGHT = 112.0, 344.0  # of the axis: names stand before it, figures behind
ROW, HEAD, GAP = 24.0, 20.0, 8.0


@dataclass(frozen=True)
class Slice:
    """Hold one slice in its place."""

    name: Name
    y: float
    value: float
    low: float
    high: float
    figure: str
    surely_worse: bool
    title: str


@dataclass(frozen=True)
class ForestPlot:
    """Hold rows under the heads of their kinds, with the line of no difference and that of the margin."""

    height: float
    top: float
    base: float
    ticks: tuple[Tick, ...]
    heads: tuple[Tick, ...]
    rows: tuple[Slice, ...]
    zero: float
    margin: float | None
    worse: tuple[str, ...]


def forest_plot(rows: Sequence[Mapping[str, Any]], *, margin: float | None) -> ForestPlot:
    """Place slices named `kind=value`, kind by kind; `margin` is the fall that is tolerated."""
    seen = [
        0.0,
        *(row[name] for row in rows for name in ("low", "difference", "high")),
        *([-margin] if margin is not None else []),
    ]
    low, high, step = domain(min(seen), max(seen))
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
        worse=tuple(str(row["name"]) for row in rows if row["surely_worse"]),
    )


def _row(row: Mapping[str, Any], y: float, x: Callable[[float], float]) -> Slice:
    bounds = f"{row['low']:+.3f} to {row['high']:+.3f}"
    return Slice(
        name=short_name(str(row["name"]).partition("=")[2] or str(row["name"]), 0, LEFT - 20),
        y=y,
        value=x(row["difference"]),
        low=x(row["low"]),
        high=x(row["high"]),
        figure=f"{row['difference']:+.3f}",
        surely_worse=bool(row["surely_worse"]),
        title=f"{row['name']}: {row['difference']:+.3f} ({bounds}) on {row['texts']:,} texts",
    )
