"""The role of a column follows from what it holds; names decide only between equals."""

from collections.abc import Callable

import pytest

from pipeline.core.inspection.columns import find_roles
from pipeline.core.inspection.labels import fold, plan_labels, rating_cuts, separator_of

Cells = Callable[[int], str]
TEXT: Cells = lambda n: f"the kettle number {n} works as it should"  # noqa: E731
LABEL: Cells = lambda n: ("good", "bad", "so-so")[n % 3]  # noqa: E731


@pytest.mark.parametrize(
    ("cells", "role"),
    [
        (lambda n: f"k{n}", "id"),
        (lambda n: f"person{n % 40}", "group"),
        (lambda n: f"2026-09-{1 + n % 28:02} 08:00", "time"),
        (lambda n: str(1_790_000_000 + n), "time"),
        (lambda n: ("train", "dev", "Test ")[n % 3], "split"),
        (lambda n: ("en", "de", "zh-CN")[n % 3], "lang"),
        (lambda n: f"[{n % 4}, 2, -1]", "raters"),
        (lambda n: ("film", "book", "hotel", "garage")[n % 4], "topic"),
    ],
)
def test_a_column_without_a_telling_name_has_its_role(cells: Cells, role: str) -> None:
    rows = [{"a": TEXT(n), "label": LABEL(n), "b": cells(n)} for n in range(120)]
    roles = find_roles(["b", "label", "a"], rows)

    assert (roles.text, roles.label, getattr(roles, role)) == ("a", "label", "b")


def test_a_rating_of_fractions_is_no_label() -> None:
    rows = [{"t": TEXT(n), "score": f"{n % 17 / 4 - 2:.2f}"} for n in range(120)]

    assert find_roles(["t", "score"], rows).rating == "score"


def test_one_hot_columns_are_found_and_several_are_said() -> None:
    rows = [{"t": TEXT(n), **{name: str(int(n % 3 == k)) for k, name in enumerate("xyz")}} for n in range(60)]
    one = find_roles(["t", "x", "y", "z"], rows)
    several = find_roles(["t", "x", "y", "z"], [row | {"z": "1"} for row in rows])

    assert (one.one_hot, one.doubts) == (("x", "y", "z"), [])
    assert "have several labels" in several.doubts[0]


@pytest.mark.parametrize(
    ("values", "separator"),
    [
        ({"1": 4, "2": 5, "1,2": 3}, ","),
        ({"joy": 4, "fear": 5, "joy|fear": 3}, "|"),
        ({"very positive": 4, "negative": 5}, ""),
        ({"positive": 4, "negative": 5}, ""),
    ],
)
def test_a_separator_is_what_parts_labels_that_stand_alone_too(
    values: dict[str, int], separator: str
) -> None:
    assert separator_of(values) == separator


@pytest.mark.parametrize(
    ("written", "label"),
    [(" 1.0 ", "1"), ("\u200bPositive\ufeff", "positive"), ("de\u0301ja\u0300", "déjà"), ("-1.50", "-1.5")],
)
def test_what_writers_vary_is_folded(written: str, label: str) -> None:
    assert fold(written) == label


def test_short_and_dotted_spellings_are_renamed_and_counted() -> None:
    plan = plan_labels({"positive": 9, "Pos": 2, "negative.": 1, "negative": 5, "": 3, "nan": 1})

    assert plan.counts == {"negative": 6, "positive": 11}
    assert plan.label_map == {"pos": "positive", "negative.": "negative"}
    assert plan.left_out == {"": 3, "nan": 1}


def test_labels_that_a_person_names_keep_their_order() -> None:
    assert plan_labels({"a": 5, "b": 5, "c": 5}, only=["c", "A"]).labels == ("c", "A")


@pytest.mark.parametrize(
    ("values", "cuts"), [((1, 5), (2.5, 3.5)), ((-4, 4), (-0.5, 0.5)), ((0, 1), (0.375, 0.625))]
)
def test_cuts_lie_an_eighth_around_the_middle(values: tuple[float, ...], cuts: tuple[float, float]) -> None:
    assert rating_cuts(values) == cuts


def test_texts_about_texts_are_references_where_there_are_no_labels() -> None:
    rows = [{"reply": f"we are glad about {n} and thank you for it", "review": TEXT(n)} for n in range(120)]
    roles = find_roles(["reply", "review"], rows)

    assert (roles.text, roles.reference) == ("review", "reply")
    assert any("the task is `generation`" in doubt for doubt in roles.doubts)
    labelled = find_roles(
        ["reply", "review", "tone"], [row | {"tone": LABEL(n)} for n, row in enumerate(rows)]
    )
    assert (labelled.label, labelled.reference) == ("tone", "")
