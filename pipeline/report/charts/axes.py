"""Shared by all charts: the width, scales, round steps and shortened names."""

import math
from collections.abc import Callable
from dataclasses import dataclass

WIDTH = 400.0  # about that of a phone, so the smallest screen hardly scales it
CHARACTER = 7.2  # the mean width of one character at 13 px


@dataclass(frozen=True)
class Tick:
    """One tick of an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Name:
    """A label beside an axis, shortened and in full."""

    at: float
    short: str
    full: str


def short_name(label: str, at: float, room: float) -> Name:
    """Return a label at the coordinate `at`, whole and shortened to `room` pixels."""
    most = max(3, int(room / CHARACTER))
    return Name(round(at, 2), label if len(label) <= most else label[: most - 1] + "…", label)


def scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Return the linear map of `low` to `high` onto `start` to `end`."""
    return lambda value: round(start + (value - low) / (high - low) * (end - start), 2)


def domain(low: float, high: float) -> tuple[float, float, float]:
    """Widen a range to a few round steps; return its ends and the step."""
    span = max(high - low, 1e-3) * 1.1
    magnitude = 10.0 ** math.floor(math.log10(span / 4))
    step = next(factor * magnitude for factor in (1, 2, 5, 10, 20) if factor * magnitude * 5 >= span)
    # The small term keeps 0.60 / 0.05 from being just under 12.
    start, end = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return start * step, (end if end > start else start + 1) * step, step


def steps(low: float, high: float, step: float) -> list[float]:
    """Return the values of the ticks from the lowest to the highest."""
    return [low + step * index for index in range(round((high - low) / step) + 1)]


def tick_label(value: float, step: float, signed: bool) -> str:
    """Format the value of a tick with as many decimals as the step needs."""
    places = max(2, -math.floor(math.log10(step) + 1e-9))
    # Adding zero makes -0.00 a plain 0.00.
    value = round(value, places) + 0.0
    return f"{value:+.{places}f}" if signed and value else f"{value:.{places}f}"
