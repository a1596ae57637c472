"""A table of aspects is told from one with a few copies, a measure or a number of the row."""

import pytest
from text_records import text_record

from pipeline.base.config import Columns
from pipeline.io.sources.aspect_columns import AspectSearch

COLUMNS = Columns(text="text", label="label", rating=None, id=None, group=None, time=None, split=None)


def column(rows: list[tuple[str, str, dict[str, str]]]) -> str:
    search = AspectSearch(COLUMNS)
    for number, (text, label, others) in enumerate(rows):
        search.add({"text": text, "label": label, **others}, text_record(number, text=text, label=label))
    return search.column()


def aspects(
    pairs: int, singles: int, name: str = "aspect", values: tuple[str, ...] = ("food", "staff")
) -> str:
    rows = [
        (f"text {number}", ("good", "bad")[side], {name: values[side], "row": str(2 * number + side)})
        for number in range(pairs)
        for side in (0, 1)
    ]
    return column([*rows, *((f"one {number}", "good", {name: values[0]}) for number in range(singles))])


@pytest.mark.parametrize(
    ("pairs", "singles", "values", "found"),
    [
        (20, 10, ("food", "staff"), "aspect"),
        (2, 0, ("food", "staff"), ""),
        (5, 1000, ("food", "staff"), ""),
        (20, 10, ("0.5", "-1"), ""),
        (20, 10, ("food", "food"), ""),
    ],
)
def test_the_column_that_names_aspects_is_found(
    pairs: int, singles: int, values: tuple[str, str], found: str
) -> None:
    assert aspects(pairs, singles, values=values) == found
