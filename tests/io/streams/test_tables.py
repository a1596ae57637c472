"""A table that is written in batches has the bytes of one that is written at once."""

from pathlib import Path

import pytest
from text_records import text_record

from pipeline.io import parquet
from pipeline.io.streams import tables
from pipeline.io.streams.tables import RecordTable, TableWriter, replace_values

RECORDS = [text_record(number) for number in range(50)]


def write(path: Path, rows: int) -> bytes:
    with TableWriter(path, parquet.COLUMNS) as writer:
        for start in range(0, len(RECORDS), rows):
            part = RECORDS[start : start + rows]
            writer.add_columns({name: [getattr(one, name) for one in part] for name in parquet.COLUMNS})
    return path.read_bytes()


def test_batches_leave_the_bytes_of_a_table_written_at_once(tmp_path: Path) -> None:
    parquet.write_texts(tmp_path / "once.parquet", RECORDS)

    assert write(tmp_path / "batches.parquet", 7) == (tmp_path / "once.parquet").read_bytes()


def test_row_groups_do_not_depend_on_the_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROW_GROUP", 16)

    assert write(tmp_path / "a", 7) == write(tmp_path / "b", 50) == write(tmp_path / "c", 16)
    assert list(RecordTable(tmp_path / "a")) == RECORDS
    assert len(RecordTable(tmp_path / "a")) == 50
    assert RecordTable(tmp_path / "a").rows([0, 7, 8, 49]) == [RECORDS[row] for row in (0, 7, 8, 49)]
    assert RecordTable(tmp_path / "a").rows([]) == []


def test_no_rows_are_a_table_of_strings(tmp_path: Path) -> None:
    with TableWriter(tmp_path / "t", parquet.COLUMNS):
        pass
    parquet.write_texts(tmp_path / "once", [])

    assert (tmp_path / "t").read_bytes() == (tmp_path / "once").read_bytes()


def test_values_are_replaced_in_their_rows(tmp_path: Path) -> None:
    write(tmp_path / "t", 50)

    replace_values(tmp_path / "t", "time", iter([(0, "first"), (33, "late")]), rows=8)

    changed = {
        row: one.time for row, one in enumerate(RecordTable(tmp_path / "t")) if one.time in ("first", "late")
    }
    assert changed == {0: "first", 33: "late"}
    assert [one.id for one in RecordTable(tmp_path / "t")] == [one.id for one in RECORDS]
    assert [path.name for path in tmp_path.iterdir()] == ["t"]
