"""Where the marks of the menu's plot go: texts a second across, macro F1 upward, size in words, the chosen variant marked."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.base.documents import CompressionMenu, MenuVariant
from pipeline.report.charts.axes import CHARACTER, Tick, domain, scale, steps, tick_label

LEFT, RIGHT, TOP, BOTTOM = 60.0, 392.0, 12.0, 262.0
LINE = 16.0  # the height of one line of words
LINES = 16  # as many as fit on the plot
LONGEST = 28  # characters of words beside a dot
WIDE = 1.12 * CHARACTER  # of one character, where it may be bold
Box = tuple[float, float, float, float]  # left, right, top, bottom


@dataclass(frozen=True)
class Variant:
    """Hold one variant in its place, with its name beside it."""

    x: float
    y: float
    words: str
    words_x: float
    words_y: float
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
    teacher: float | None


def pareto_plot(menu: CompressionMenu) -> ParetoPlot:
    """Place the variants of a menu; speed on a scale of ratios, since twice as quick is the same gain anywhere."""
    variants = menu["variants"]
    teacher: float | None = menu["teacher"]["macro_f1"]
    speeds = [variant["texts_per_second"] for variant in variants]
    scores = [variant["macro_f1"] for variant in variants] + ([teacher] if teacher is not None else [])
    low, high, step = domain(min(scores), max(scores))
    slowest, quickest = math.log10(min(speeds) * 0.8), math.log10(max(speeds) * 1.25)
    ratio, y = scale(slowest, quickest, LEFT, RIGHT), scale(low, high, BOTTOM, TOP)

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
        across=tuple(Tick(x(speed), f"{speed:,.0f}") for speed in _round_speeds(slowest, quickest)),
        upward=tuple(Tick(y(value), tick_label(value, step, False)) for value in steps(low, high, step)),
        variants=tuple(
            _placed(
                variants,
                menu["chosen"],
                [(x(one["texts_per_second"]), y(one["macro_f1"])) for one in variants],
            )
        ),
        front=" ".join(f"{x(one['texts_per_second'])},{y(one['macro_f1'])}" for one in front),
        teacher=None if teacher is None else y(teacher),
    )


def _round_speeds(low: float, high: float) -> list[float]:
    """List 1, 2 and 5 times each power of ten between two bounds; only the powers where that would be too many."""
    for factors in ((1, 2, 5), (1, 5), (1,)):
        found = [
            many * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for many in factors
        ]
        found = [speed for speed in found if low <= math.log10(speed) <= high]
        if len(found) <= 6:
            break
    return found


def _placed(
    variants: Sequence[MenuVariant], chosen: str, places: Sequence[tuple[float, float]]
) -> Iterator[Variant]:
    """Write each name beside its dot, where it covers no other dot and no other name; the chosen one comes first."""
    names: list[Box] = []
    dots = [(x - 7, x + 7, y - 7, y + 7) for x, y in places]
    order = sorted(
        range(len(variants)), key=lambda index: (variants[index]["name"] != chosen, places[index][1])
    )
    for index in order:
        one, (x, y) = variants[index], places[index]
        words = f"{one['name']} · {one['megabytes']:.1f} MB"
        words = words if len(words) <= LONGEST else words[: LONGEST - 1] + "…"
        left, words_y = _room(x, y, WIDE * len(words), names, dots)
        names.append(_box(left, words_y, WIDE * len(words)))
        yield Variant(x, y, words, round(left, 2), round(words_y, 2), _kind(one, chosen), _title(one))


def _room(x: float, y: float, width: float, names: Sequence[Box], dots: Sequence[Box]) -> tuple[float, float]:
    """Find where words may begin: beside their dot or as few lines away as can be; over a dot only where there is no other room."""
    lines = sorted((y + 4 + LINE * away for away in range(-LINES, LINES + 1)), key=lambda line: abs(line - y))
    places = [
        (min(max(left, LEFT), RIGHT - width), line)
        for line in lines
        if TOP + 8 <= line <= BOTTOM - 2
        for left in (x + 11, x - 11 - width)
    ]
    free = [place for place in places if not any(_cover(_box(*place, width), box) for box in names)]
    return next(
        (place for place in free if not any(_cover(_box(*place, width), box) for box in dots)),
        [*free, *places][0],
    )


def _box(left: float, y: float, width: float) -> Box:
    return left, left + width, y - 12, y + 3


def _cover(one: Box, other: Box) -> bool:
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]


def _kind(variant: MenuVariant, chosen: str) -> str:
    if variant["name"] == chosen:
        return "chosen"
    return "fits" if variant["fits"] else "unfit"


def _title(variant: MenuVariant) -> str:
    return f"{variant['name']}: {variant['texts_per_second']:,.0f} texts/s, macro F1 {variant['macro_f1']:.3f}, {variant['megabytes']:.1f} MB"
