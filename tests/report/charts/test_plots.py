"""Where marks go: the right order, inside the paper, and no words over other words."""

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report.charts import plots
from pipeline.report.charts.axes import WIDTH
from pipeline.report.charts.forest import forest_plot
from pipeline.report.charts.pareto import WIDE, pareto_plot


def test_an_interval_lies_around_its_value() -> None:
    plot = plots.interval_plot(
        [plots.Row("R1", 0.75, (0.70, 0.80)), plots.Row("other", 0.60, None)], line=(0.65, "floor")
    )

    first, second = plot.rows
    assert plot.line is not None
    assert second.value < plot.line.at < first.low < first.value < first.high
    assert (second.low, second.high) == (None, None)
    assert [tick.label for tick in plot.ticks] == ["0.60", "0.65", "0.70", "0.75", "0.80"]


def test_equal_values_still_get_an_axis() -> None:
    plot = plots.interval_plot([plots.Row("R1", 0.0, (0.0, 0.0))], line=None, signed=True)

    assert plot.rows[0].value == plot.zero
    assert plot.ticks[0].at < plot.ticks[-1].at


def test_a_cell_is_shaded_by_its_share_of_the_row() -> None:
    plot = plots.confusion_plot(["bad", "good"], [[3, 1], [0, 0]])

    assert [(cell.count, cell.share) for cell in plot.cells] == [(3, 0.75), (1, 0.25), (0, 0.0), (0, 0.0)]


@pytest.mark.parametrize("labels", [2, 5, 12, 40])
def test_the_confusion_matrix_fits_any_number_of_labels(labels: int) -> None:
    names = [f"a rather long label {index}" for index in range(labels)]

    plot = plots.confusion_plot(names, [[1] * labels for _ in names])

    assert max(cell.x + plot.side for cell in plot.cells) <= WIDTH
    assert all(len(name.short) < len(name.full) for name in plot.columns)


def test_an_overconfident_bin_lies_below_the_diagonal() -> None:
    (dot,) = plots.reliability_plot(
        [{"low": 0.8, "high": 0.9, "confidence": 0.85, "accuracy": 0.60, "texts": 10}]
    ).bins

    assert dot.y > dot.expected  # y grows downward


def slice_row(name: str, difference: float, *, significant: bool = False) -> dict[str, Any]:
    bounds = {"low": difference - 0.02, "high": difference + 0.02}
    return {"name": name, "texts": 200, "difference": difference, **bounds, "significant": significant}


def test_slices_are_grouped_by_kind_and_significant_drops_are_named() -> None:
    rows = [
        slice_row("source=movie", 0.01),
        slice_row("source=tweet", -0.09, significant=True),
        slice_row("class=neutral", 0.0),
    ]

    plot = forest_plot(rows, margin=0.03)

    assert [head.label for head in plot.heads] == ["source", "class"]
    assert [row.name.short for row in plot.rows] == ["movie", "tweet", "neutral"]
    assert [row.figure for row in plot.rows] == ["+0.010", "-0.090", "+0.000"]
    assert plot.worse == ("source=tweet",)
    assert plot.margin is not None
    assert plot.rows[1].high < plot.margin < plot.zero < plot.rows[0].value
    assert plot.heads[0].at < plot.rows[0].y < plot.rows[1].y < plot.heads[1].at < plot.rows[2].y < plot.base


def variant(
    name: str, speed: float, macro_f1: float, *, fits: bool = True, pareto: bool = False
) -> dict[str, Any]:
    return {
        "name": name,
        "texts_per_second": speed,
        "macro_f1": macro_f1,
        "megabytes": 12.34,
        "fits": fits,
        "pareto": pareto,
    }


def menu(*variants: dict[str, Any], chosen: str = "a") -> dict[str, Any]:
    return {"variants": list(variants), "chosen": chosen, "teacher": {"macro_f1": 0.75}}


def test_equal_ratios_of_speed_are_equally_far_apart() -> None:
    plot = pareto_plot(menu(variant("a", 100, 0.75), variant("b", 200, 0.75), variant("c", 400, 0.75)))

    first, second, third = sorted(one.x for one in plot.variants)
    assert second - first == pytest.approx(third - second, abs=0.02)


def test_chosen_fitting_and_other_variants_differ() -> None:
    plot = pareto_plot(
        menu(variant("a", 100, 0.75), variant("b", 300, 0.74), variant("c", 900, 0.60, fits=False))
    )

    assert {one.name: one.kind for one in plot.variants} == {
        "a · 12.3 MB": "chosen",
        "b · 12.3 MB": "fits",
        "c · 12.3 MB": "unfit",
    }


def test_the_pareto_front_runs_from_the_slowest_variant() -> None:
    plot = pareto_plot(
        menu(
            variant("a", 900, 0.70, pareto=True), variant("b", 100, 0.75, pareto=True), variant("c", 90, 0.71)
        )
    )

    at = {one.name[0]: f"{one.x},{one.y}" for one in plot.variants}
    assert plot.front == f"{at['b']} {at['a']}"


@given(
    st.lists(st.tuples(st.floats(1, 1e5), st.floats(0, 1)), min_size=1, max_size=7),
    st.lists(st.text("abcdefgh-", min_size=1, max_size=40), min_size=7, max_size=7),
)
def test_no_name_covers_another_or_leaves_the_plot(
    measured: list[tuple[float, float]], names: list[str]
) -> None:
    plot = pareto_plot(
        menu(*(variant(f"{index}{names[index]}", *figures) for index, figures in enumerate(measured)))
    )

    for one in plot.variants:
        assert one.name_x >= 0
        assert one.name_x + WIDE * len(one.name) <= WIDTH
        assert plot.top <= one.y <= plot.bottom
    for one, other in combinations(plot.variants, 2):
        apart = abs(one.name_y - other.name_y) >= 15
        beside = (
            one.name_x + WIDE * len(one.name) <= other.name_x
            or other.name_x + WIDE * len(other.name) <= one.name_x
        )
        assert apart or beside
