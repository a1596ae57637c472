"""Old Excel files and OpenDocument spreadsheets read to the cells that their programs show."""

import datetime
from pathlib import Path
from typing import Any

import pytest
from spreadsheet_files import Sheets, write_ods, write_xls

from pipeline.base.errors import DataRejected
from pipeline.base.records import Unreadable
from pipeline.io.table_files.opening import open_table
from pipeline.io.table_files.shape import Shape, TableRequest

WRITERS = {"ods": write_ods, "xls": write_xls}
DAY, MOMENT = datetime.date(2026, 9, 13), datetime.datetime(2026, 9, 13, 8, 30)
SHEETS: Sheets = {
    "Cover": [["Reviews of autumn"]],
    "Reviews": [
        ["id", "text", "stars", "mean", "day", "moment", "verified"],
        [1, "Das Zimmer war kühl – 很冷", 2, 2.25, DAY, MOMENT, True],
        [2, "a fine <b>film</b> & more", None, -0.5, None, MOMENT, False],
        [None, None, None, None, None, None, None],
        [3, "so so", 5, 1e10, DAY, None, None],
    ],
    "Codes": [["code", "meaning"], ["a", "first"], ["b", "second"], ["c", "third"]],
}


def read(path: Path, **asked: Any) -> tuple[Shape, list[dict[str, str] | Unreadable]]:
    with open_table(TableRequest(path, path.name, 10_000_000, **asked)) as table:
        return table.shape, list(table.rows)


@pytest.mark.parametrize("kind", WRITERS)
def test_numbers_dates_and_empty_cells_read_as_they_are_meant(tmp_path: Path, kind: str) -> None:
    path = WRITERS[kind](tmp_path / f"reviews.{kind}", SHEETS)

    shape, rows = read(path, mapped={"text": "text", "stars": "label"})

    assert (shape.kind, shape.sheet) == (kind, "Reviews")
    assert shape.columns == ("id", "text", "stars", "mean", "day", "moment", "verified")
    assert [list(row.values()) for row in rows if isinstance(row, dict)] == [
        ["1", "Das Zimmer war kühl – 很冷", "2", "2.25", "2026-09-13", "2026-09-13T08:30:00", "True"],
        ["2", "a fine <b>film</b> & more", "", "-0.5", "", "2026-09-13T08:30:00", "False"],
        ["3", "so so", "5", "10000000000", "2026-09-13", "", ""],
    ]
    assert any("others: 'Cover', 'Codes'" in note for note in shape.notes)


@pytest.mark.parametrize("kind", WRITERS)
def test_the_sheet_that_is_named_is_read(tmp_path: Path, kind: str) -> None:
    path = WRITERS[kind](tmp_path / "renamed.csv", SHEETS)

    shape, rows = read(path, kind=kind, sheet="Codes")

    assert (shape.kind, shape.columns) == (kind, ("code", "meaning"))
    assert rows[1] == {"code": "b", "meaning": "second"}
    with pytest.raises(DataRejected, match=r"no sheet 'Notes' \(found: 'Cover', 'Reviews', 'Codes'\)"):
        read(path, kind=kind, sheet="Notes")
    with pytest.raises(DataRejected, match=f"set `kind: {kind}`"):
        read(path, kind="csv")


@pytest.mark.parametrize("kind", WRITERS)
def test_a_damaged_spreadsheet_says_what_to_do(tmp_path: Path, kind: str) -> None:
    path = WRITERS[kind](tmp_path / f"reviews.{kind}", SHEETS)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3])

    with pytest.raises(DataRejected, match=r"reviews\.(ods|xls)"):
        read(path)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_spreadsheet_without_a_table_says_so(tmp_path: Path, kind: str) -> None:
    path = WRITERS[kind](tmp_path / f"cover.{kind}", {"Cover": [["Reviews of autumn"]]})

    with pytest.raises(DataRejected, match="holds no rows"):
        read(path)
