"""Where the marks of the menu's plot go: texts a second across, macro F1 upward, size in words, the chosen variant marked."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.report.axes import CHARACTER, Tick, domain, scale, steps, tick_label

LEFT, RIGHT, TOP, BOTTOM = 46.0, 392.0, 12.0, 262.0
LINE = 16.0  # between two names, so that none covers another


@dataclass(frozen=True)
class Variant:
    """Hold one variant in its place, with its name beside it."""

    x: float
    y: float
    words: str
    words_x: float
    words_y: float
    anchor: str
    kind: str
    title: str


@dataclass(frozen=True)
class ParetoPlot:
    """Hold the variants, the line through those that none beats in both, and both axes."""

    height: float
    left: float
    right: float
    top: float
    bottom: float
    across: tuple[Tick, ...]
    upward: tuple[Tick, ...]
    variants: tuple[Variant, ...]
    front: str
    parent: float | None


def pareto_plot(menu: Mapping[str, Any]) -> ParetoPlot:
    """Place the variants of a menu; speed on a scale of ratios, since twice as quick is the same gain anywhere."""
    variants, parent = menu["variants"], menu["parent"]["macro_f1"]
    speeds = [variant["texts_per_second"] for variant in variants]
    scores = [variant["macro_f1"] for variant in variants] + ([parent] if parent is not None else [])
    low, high, step = domain(min(scores), max(scores))
    slowest, quickest = math.log10(min(speeds) * 0.8), math.log10(max(speeds) * 1.25)
    ratio, y = scale(slowest, quickest, LEFT, RIGHT), scale(low, high, BOTTOM, TOP)

    def x(speed: float) -> float:
        return ratio(math.log10(speed))

    front = sorted((variant for variant in variants if variant["pareto"]), key=lambda variant: variant["texts_per_second"])
    return ParetoPlot(
        height=BOTTOM + 42,
        left=LEFT,
        right=RIGHT,
        top=TOP,
        bottom=BOTTOM,
        across=tuple(Tick(x(speed), f"{speed:,.0f}") for speed in _round_speeds(slowest, quickest)),
        upward=tuple(Tick(y(value), tick_label(value, step, False)) for value in steps(low, high, step)),
        variants=tuple(_placed(variants, str(menu["chosen"]), x, y)),
        front=" ".join(f"{x(one['texts_per_second'])},{y(one['macro_f1'])}" for one in front),
        parent=None if parent is None else y(parent),
    )


def _round_speeds(low: float, high: float) -> list[float]:
    """List 1, 2 and 5 times each power of ten between two bounds; only the powers where that would be too many."""
    for factors in ((1, 2, 5), (1, 5), (1,)):
        found = [many * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for many in factors]
        found = [speed for speed in found if low <= math.log10(speed) <= high]
        if len(found) <= 6:
            break
    return found


def _placed(
    variants: Sequence[Mapping[str, Any]], chosen: str, x: Callable[[float], float], y: Callable[[float], float]
) -> Iterator[Variant]:
    """Place each variant; names on one side are moved apart downwards, and back up from the floor of the plot."""
    middle = (LEFT + RIGHT) / 2
    for right in (False, True):
        side = sorted((one for one in variants if (x(one["texts_per_second"]) > middle) == right), key=lambda one: y(one["macro_f1"]))
        for one, words_y in zip(side, _apart([y(one["macro_f1"]) + 4 for one in side]), strict=True):
            at = x(one["texts_per_second"])
            words = f"{one['name']} · {one['megabytes']:.1f} MB"
            anchor = "end" if right else "start"
            room = at - 10 if right else RIGHT - at - 10
            words = words if len(words) * CHARACTER <= room else words[: int(room / CHARACTER) - 1] + "…"
            yield Variant(at, y(one["macro_f1"]), words, at + (-10 if right else 10), words_y, anchor, _kind(one, chosen), _title(one))


def _apart(places: Sequence[float]) -> list[float]:
    found: list[float] = []
    for place in places:
        found.append(max(place, found[-1] + LINE) if found else place)
    floor = BOTTOM - 4
    for index in reversed(range(len(found))):
        found[index] = min(found[index], floor)
        floor = found[index] - LINE
    return [round(place, 2) for place in found]


def _kind(variant: Mapping[str, Any], chosen: str) -> str:
    if variant["name"] == chosen:
        return "chosen"
    return "fits" if variant["fits"] else "unfit"


def _title(variant: Mapping[str, Any]) -> str:
    return (
        f"{variant['name']}: {variant['texts_per_second']:,.0f} texts/s, macro F1 {variant['macro_f1']:.3f}, {variant['megabytes']:.1f} MB"
    )
