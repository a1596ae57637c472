"""No written cell is a formula, numbers stay numbers, and what was written can be read back."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.base.spreadsheet import FORMULA, NUMBER, inert

CELLS = st.one_of(st.text(max_size=12), st.text("'=+-@\t\r\n1e. a", max_size=6))


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+1-1", "-cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "'=1", "--1", "=-1"],
)
def test_a_cell_that_is_evaluated_gets_a_quote(cell: str) -> None:
    assert inert(cell) == f"'{cell}"


@pytest.mark.parametrize(
    "cell", ["", "-", "+", "=", "@", "-1", "+1.5e-3", "-.5", "1-1", "a=b", " =1", "'", "'a", "''", ":-)"]
)
def test_text_and_numbers_stay_as_they_are(cell: str) -> None:
    assert inert(cell) == cell


@given(CELLS)
@example("'=1")
@example("'-1")
@example("-1")
def test_taking_the_quote_away_gives_the_cell_back(cell: str) -> None:
    written = inert(cell)
    rest = written[1:]
    quoted = written[:1] == "'" and FORMULA.match(rest) and not NUMBER.fullmatch(rest)

    assert (rest if quoted else written) == cell


@given(CELLS)
def test_no_written_cell_begins_like_a_formula(cell: str) -> None:
    written = inert(cell)

    assert len(written) < 2 or written[0] not in "=+-@\t\r\n＝＋－＠" or NUMBER.fullmatch(written)
