"""Lay out the Pareto plot of a compression menu: texts per second across, macro F1 upward."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.base.documents import CompressionMenu, MenuVariant
from pipeline.base.tasks.scores import score_of, score_title
from pipeline.report.charts.axes import CHARACTER, Tick, domain, scale, steps, tick_label

LEFT, RIGHT, TOP, BOTTOM = 60.0, 392.0, 12.0, 262.0
LINE = 16.0  # the height of a name
LINES = 16  # as many as fit on the plot
MAX_CHARACTERS = 28  # of a name
WIDE = 1.12 * CHARACTER  # of one bold character
Box = tuple[float, float, float, float]  # left, right, top, bottom


@dataclass(frozen=True)
class Variant:
    """One placed variant, with its name beside it."""

    x: float
    y: float
    name: str
    name_x: float
    name_y: float
    kind: str
    title: str


@dataclass(frozen=True)
class ParetoPlot:
    """The variants, the Pareto front, the teacher's macro F1, and both axes."""

    height: float
    left: float
    right: float
    top: float
    bottom: float
    across: tuple[Tick, ...]
    upward: tuple[Tick, ...]
    variants: tuple[Variant, ...]
    front: str
    score: str
    teacher: float | None


def pareto_plot(menu: CompressionMenu) -> ParetoPlot:
    """Lay out the variants of a menu; speed on a logarithmic scale."""
    variants = menu["variants"]
    teacher: float | None = score_of(menu["teacher"])
    speeds = [variant["texts_per_second"] for variant in variants]
    scores = [score_of(variant) for variant in variants] + ([teacher] if teacher is not None else [])
    low, high, step = domain(min(scores), max(scores))
    slowest, fastest = math.log10(min(speeds) * 0.8), math.log10(max(speeds) * 1.25)
    ratio, y = scale(slowest, fastest, LEFT, RIGHT), scale(low, high, BOTTOM, TOP)

    def x(speed: float) -> float:
        return ratio(math.log10(speed))

    front = sorted(
        (variant for variant in variants if variant["pareto"]),
        key=lambda variant: variant["texts_per_second"],
    )
    return ParetoPlot(
        height=BOTTOM + 42,
        left=LEFT,
        right=RIGHT,
        top=TOP,
        bottom=BOTTOM,
        across=tuple(Tick(x(speed), f"{speed:,.0f}") for speed in _round_speeds(slowest, fastest)),
        upward=tuple(Tick(y(value), tick_label(value, step, False)) for value in steps(low, high, step)),
        variants=tuple(
            _placed(
                variants,
                menu["chosen"],
                [(x(variant["texts_per_second"]), y(score_of(variant))) for variant in variants],
            )
        ),
        front=" ".join(f"{x(variant['texts_per_second'])},{y(score_of(variant))}" for variant in front),
        score=score_title(menu["teacher"]),
        teacher=None if teacher is None else y(teacher),
    )


def _round_speeds(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times each power of ten between two logarithms; fewer where they are many."""
    for factors in ((1, 2, 5), (1, 5), (1,)):
        speeds = [
            factor * 10.0**power
            for power in range(math.floor(low), math.ceil(high) + 1)
            for factor in factors
        ]
        speeds = [speed for speed in speeds if low <= math.log10(speed) <= high]
        if len(speeds) <= 6:
            break
    return speeds


def _placed(
    variants: Sequence[MenuVariant], chosen: str, places: Sequence[tuple[float, float]]
) -> Iterator[Variant]:
    """Place each name beside its dot without covering other dots or names; the chosen variant comes first."""
    names: list[Box] = []
    dots = [(x - 7, x + 7, y - 7, y + 7) for x, y in places]
    order = sorted(
        range(len(variants)), key=lambda index: (variants[index]["name"] != chosen, places[index][1])
    )
    for index in order:
        variant, (x, y) = variants[index], places[index]
        name = f"{variant['name']} · {variant['megabytes']:.1f} MB"
        name = name if len(name) <= MAX_CHARACTERS else name[: MAX_CHARACTERS - 1] + "…"
        left, name_y = _free_place(x, y, WIDE * len(name), names, dots)
        names.append(_box(left, name_y, WIDE * len(name)))
        yield Variant(x, y, name, round(left, 2), round(name_y, 2), _kind(variant, chosen), _title(variant))


def _free_place(
    x: float, y: float, width: float, names: Sequence[Box], dots: Sequence[Box]
) -> tuple[float, float]:
    """Find a free place for a name near its dot; names are never covered, dots as a last resort."""
    lines = sorted((y + 4 + LINE * away for away in range(-LINES, LINES + 1)), key=lambda line: abs(line - y))
    places = [
        (min(max(left, LEFT), RIGHT - width), line)
        for line in lines
        if TOP + 8 <= line <= BOTTOM - 2
        for left in (x + 11, x - 11 - width)
    ]
    free = [place for place in places if not any(_overlap(_box(*place, width), box) for box in names)]
    return next(
        (place for place in free if not any(_overlap(_box(*place, width), box) for box in dots)),
        [*free, *places][0],
    )


def _box(left: float, y: float, width: float) -> Box:
    return left, left + width, y - 12, y + 3


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]


def _kind(variant: MenuVariant, chosen: str) -> str:
    if variant["name"] == chosen:
        return "chosen"
    return "fits" if variant["fits"] else "unfit"


def _title(variant: MenuVariant) -> str:
    return (
        f"{variant['name']}: {variant['texts_per_second']:,.0f} texts/s, "
        f"{score_title(variant)} {score_of(variant):.3f}, {variant['megabytes']:.1f} MB"
    )
