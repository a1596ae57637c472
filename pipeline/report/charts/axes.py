"""What the plots share: the paper's width, scales, round steps and names cut to their room."""

import math
from collections.abc import Callable
from dataclasses import dataclass

WIDTH = 400.0  # about a phone's, so that the smallest screen hardly scales it
CHARACTER = 7.2  # the mean width of one character at 13 px


@dataclass(frozen=True)
class Tick:
    """Hold one mark of an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Name:
    """Hold a label along a side, cut to the room there, and whole for who asks."""

    at: float
    short: str
    full: str


def short_name(label: str, at: float, room: float) -> Name:
    """Cut a label to the room there."""
    most = max(3, int(room / CHARACTER))
    return Name(round(at, 2), label if len(label) <= most else label[: most - 1] + "…", label)


def scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Map figures between two bounds onto places between two others."""
    return lambda value: round(start + (value - low) / (high - low) * (end - start), 2)


def domain(low: float, high: float) -> tuple[float, float, float]:
    """Widen a range to a few round steps."""
    span = max(high - low, 1e-3) * 1.1
    magnitude = 10.0 ** math.floor(math.log10(span / 4))
    step = next(many * magnitude for many in (1, 2, 5, 10, 20) if many * magnitude * 5 >= span)
    # The small term keeps 0.60 / 0.05 from being eleven and a bit.
    start, end = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return start * step, (end if end > start else start + 1) * step, step


def steps(low: float, high: float, step: float) -> list[float]:
    """List the marks from the lowest to the highest."""
    return [low + step * index for index in range(round((high - low) / step) + 1)]


def tick_label(value: float, step: float, signed: bool) -> str:
    """Write the figure of a mark with as many places as its steps need."""
    places = max(2, -math.floor(math.log10(step) + 1e-9))
    # Adding zero makes -0.00 a plain 0.00.
    value = round(value, places) + 0.0
    return f"{value:+.{places}f}" if signed and value else f"{value:.{places}f}"
