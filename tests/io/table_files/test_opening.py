"""A table reads back to its rows, whatever its delimiter, quotes, header, encoding, packing and line ends."""

import bz2
import csv
import datetime
import gzip
import io
import itertools
import json
import lzma
import random
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.base.errors import DataRejected
from pipeline.base.records import Unreadable
from pipeline.io.table_files.opening import open_table
from pipeline.io.table_files.shape import Shape, TableRequest

HEADER = ("id", "text", "label", "score")
WORDS = (
    "the", "kettle", "was", "dreadful,", "and", '"fine"', "it", "is;", "well|", "no", "it's", "@home:",
    "café", "Zürich", "über", "größe",
)  # fmt: skip
QUOTING: dict[str, dict[str, Any]] = {
    "minimal": {"quoting": csv.QUOTE_MINIMAL},
    "all": {"quoting": csv.QUOTE_ALL},
    "none": {"quoting": csv.QUOTE_NONE, "quotechar": None},
    "single": {"quoting": csv.QUOTE_ALL, "quotechar": "'"},
    "backslash": {"quoting": csv.QUOTE_ALL, "escapechar": "\\", "doublequote": False},
}
Rows = list[dict[str, str] | Unreadable]


def read(path: Path, **asked: Any) -> tuple[Shape, Rows]:
    with open_table(TableRequest(path, path.name, asked.pop("max_bytes", 10_000_000), **asked)) as table:
        return table.shape, list(table.rows)


def write(tmp_path: Path, content: bytes | str, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def made_up_rows(count: int, seed: int) -> list[list[str]]:
    draw = random.Random(seed)
    return [
        [
            f"r{n}",
            " ".join(draw.choices(WORDS, k=draw.randint(5, 20))),
            draw.choice(["pos", "neg"]),
            f"{draw.random():.2f}",
        ]
        for n in range(count)
    ]


def pack(content: bytes, packing: str) -> bytes:
    import pyarrow

    if packing == "zip":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.writestr("inside.csv", content)
            zipped.writestr("__MACOSX/._inside.csv", b"\0\1")
        return out.getvalue()
    packers = {"": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    if packing == "zst":
        return bytes(pyarrow.compress(content, "zstd", asbytes=True))
    return packers[packing](content)


def written(rows: list[list[str]], delimiter: str, quoting: str, *, header: bool, line_end: str) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=line_end, **QUOTING[quoting])
    writer.writerows([HEADER, *rows] if header else rows)
    return out.getvalue()


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|", "@"])
@pytest.mark.parametrize("quoting", QUOTING)
def test_a_table_reads_back_to_its_rows(delimiter: str, quoting: str, tmp_path: Path) -> None:
    encodings = ("utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252")
    for header, encoding, line_end in itertools.product((True, False), encodings, ("\n", "\r\n", "\r")):
        rows = made_up_rows(60, seed=len(encoding))
        if quoting == "none":
            rows = [[cell.replace(delimiter, "").strip() for cell in row] for row in rows]
        elif quoting != "single":
            rows[7][1] = f"two{line_end[:1]}lines, here"
        text = written(rows, delimiter, quoting, header=header, line_end=line_end)
        shape, found = read(write(tmp_path, text.encode(encoding), "t.txt"))

        assert [list(row.values()) for row in found if isinstance(row, dict)] == rows
        assert shape.dialect is not None
        assert (shape.dialect.has_header, shape.dialect.delimiter) == (header, delimiter)


@pytest.mark.parametrize("packing", ["", "gz", "zip", "zst", "bz2", "xz"])
@pytest.mark.parametrize("name", ["t.csv", "t", "t.dat"])
def test_a_packed_table_reads_as_the_table_in_it(packing: str, name: str, tmp_path: Path) -> None:
    rows = made_up_rows(300, seed=5)
    text = written(rows, ",", "minimal", header=True, line_end="\n")
    shape, found = read(write(tmp_path, pack(text.encode(), packing), name))

    assert shape.packing == packing
    assert [list(row.values()) for row in found if isinstance(row, dict)] == rows


@pytest.mark.parametrize("packing", ["gz", "zip", "zst", "bz2", "xz"])
def test_a_bomb_is_stopped_while_it_unpacks(packing: str, tmp_path: Path) -> None:
    bomb = b"text,label\n" + (b"good " * 60 + b",1\n") * 35_000
    path = write(tmp_path, pack(bomb, packing))

    with pytest.raises(DataRejected, match=r"unpacks to more than 100 times"):
        read(path, max_bytes=1_000_000_000)
    with pytest.raises(DataRejected, match=r"unpacks to more than 3,000,000 bytes.*collect.max_megabytes"):
        read(path, max_bytes=3_000_000)


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz", "zst"])
def test_half_a_packed_file_is_refused_as_cut(packing: str, tmp_path: Path) -> None:
    draw = random.Random(3)
    content = "text,label\n" + "".join(f"{draw.random()} {draw.random()},a\n" for _ in range(60_000))
    packed = pack(content.encode(), packing)

    with pytest.raises(DataRejected, match=r"cannot be unpacked.*cut or damaged"):
        read(write(tmp_path, packed[: len(packed) // 2]))


def test_a_zip_of_several_tables_asks_which(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zipped:
        zipped.writestr("a.csv", "text,label\ngood,1\n")
        zipped.writestr("b.csv", "text,label\nbad,0\n")
    path = write(tmp_path, out.getvalue(), "t.zip")

    with pytest.raises(DataRejected, match=r"'a.csv', 'b.csv'.*`member: NAME`"):
        read(path)
    assert read(path, member="b.csv")[1] == [{"text": "bad", "label": "0"}]


@pytest.mark.parametrize("place", range(1, 40, 4))
@pytest.mark.parametrize("quoted_rows", [False, True])
@pytest.mark.parametrize("column", [1, 2])
def test_an_unclosed_quote_costs_no_other_row(
    place: int, quoted_rows: bool, column: int, tmp_path: Path
) -> None:
    rows = [[f"{n}", f"text number {n} is fine", "pos" if n % 3 else "neg", "1.0"] for n in range(60)]
    if quoted_rows:
        for row in rows[::2]:
            row[1] = f'he said "yes", and\nleft in {row[0]}'
    lines = [written([row], ",", "minimal", header=False, line_end="\n") for row in rows]
    cells = [rows[place][0], "a lone quote", "pos", "2.0"]
    cells[column] = f'"{cells[column]}'
    lines[place] = ",".join(cells) + "\n"
    _, found = read(write(tmp_path, "id,text,label,score\n" + "".join(lines)))
    line = 2 + sum(text.count("\n") for text in lines[:place])
    others = [row["id"] for row in found if isinstance(row, dict) and row["id"] != rows[place][0]]

    assert others == [row[0] for row in rows if row[0] != rows[place][0]]
    assert len(found) == 60
    broken = [row for row in found if isinstance(row, Unreadable)]
    assert all(one.line == line for one in broken)


def test_a_line_with_other_cells_is_unreadable_with_its_physical_line(tmp_path: Path) -> None:
    text = 'text,label\n"two\nlines",a\n' + "fine,a\n" * 5000 + "one,too,many\n" + "fine,b\n" * 3000
    _, found = read(write(tmp_path, text))
    (broken,) = (row for row in found if isinstance(row, Unreadable))

    assert (broken.line, broken.row, broken.content) == (5004, 5002, "one,too,many")
    assert "3 cells where 2 belong" in broken.reason
    assert len(found) == 8002


def test_a_byte_that_is_no_text_costs_its_row_only(tmp_path: Path) -> None:
    lines = [f"{n},caf\u00e9 number {n},a\n".encode() for n in range(200)]
    lines[120] = b"120,caf\xe9 broken,a\n"
    _, found = read(write(tmp_path, b"id,text,label\n" + b"".join(lines)))
    (broken,) = (row for row in found if isinstance(row, Unreadable))

    assert (broken.line, broken.row, broken.column) == (122, 121, "text")
    assert "0xE9" in broken.reason
    assert len(found) == 200


def test_hundreds_of_unclosed_quotes_cost_no_row(tmp_path: Path) -> None:
    text = "text,label\n" + 'so "fine" it is,a\n' * 20 + '"open,a\n' * 500

    for quote in ('"', None):
        assert read(write(tmp_path, text), quote=quote)[1][-1] == {"text": '"open', "label": "a"}
        assert len(read(write(tmp_path, text), quote=quote)[1]) == 520


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(
            st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20), min_size=3, max_size=3
        ),
        min_size=1,
        max_size=30,
    )
)
def test_any_cells_read_back_with_their_dialect(tmp_path: Path, rows: list[list[str]]) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"], *rows])
    path = write(tmp_path, out.getvalue())
    _, found = read(path, delimiter=",", quote='"', escape=None, header=True, encoding="utf-8", skip_rows=0)

    kept = [list(row.values()) for row in found if isinstance(row, dict)]
    if not all(cell.startswith("'") for row in rows for cell in row if cell):
        assert kept == rows


def test_cells_of_the_header_in_params_name_the_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "good film,1\nbad film,0\n")

    assert read(path, header=("text", "label"))[1][0] == {"text": "good film", "label": "1"}
    assert read(path, header=False)[1][0] == {"column1": "good film", "column2": "1"}


def test_lines_before_the_table_are_passed_over_and_said(tmp_path: Path) -> None:
    text = "Export of 12 May\nby somebody\n\n" + "id,text,label\n" + "1,a fine film,pos\n" * 30
    shape, found = read(write(tmp_path, text))

    assert "3 lines before the table" in " ".join(shape.notes)
    assert found[0] == {"id": "1", "text": "a fine film", "label": "pos"}
    assert len(found) == 30


def test_a_delimiter_of_several_characters_is_found(tmp_path: Path) -> None:
    _, found = read(write(tmp_path, "".join(f"{n}::a text, number {n}::pos\n" for n in range(30))))

    assert found[3] == {"column1": "3", "column2": "a text, number 3", "column3": "pos"}


JSON_ROWS = [{"a": {"text": f"text {n}"}, "label": n % 2} for n in range(200)]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (json.dumps(JSON_ROWS), "json"),
        (json.dumps(JSON_ROWS, indent=2), "json"),
        (json.dumps({"version": 1, "tags": [1, 2], "data": JSON_ROWS}, indent=1), "json"),
        ("\n".join(map(json.dumps, JSON_ROWS)), "jsonl"),
    ],
)
def test_json_in_any_layout_gives_the_same_rows(content: str, kind: str, tmp_path: Path) -> None:
    shape, found = read(write(tmp_path, content, "t.json"))

    assert shape.kind == kind
    assert found == [{"a.text": row["a"]["text"], "label": str(row["label"])} for row in JSON_ROWS]


@pytest.mark.parametrize("name", ["t.jsonl", "t.json", "t.parquet"])
def test_a_list_of_objects_stays_json_as_long_as_nothing_maps_it(name: str, tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    spans = [[{"start": 0, "end": 4, "label": 'Ort’s "x"'}], []]
    rows = [{"text": "Lima was lovely", "spans": one} for one in spans]
    path = tmp_path / name
    if name.endswith("parquet"):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        lines = [json.dumps(row) for row in rows]
        path.write_text("\n".join(lines) if name.endswith("jsonl") else f"[{','.join(lines)}]", "utf-8")

    asked: tuple[dict[str, str], ...] = ({}, {"text": "text", "spans": "spans"})
    for mapped in asked:
        _, found = read(path, mapped=mapped)

        assert [json.loads(row["spans"]) for row in found if isinstance(row, dict)] == spans


def test_a_cut_json_array_names_its_last_line(tmp_path: Path) -> None:
    whole = json.dumps(JSON_ROWS, indent=2)

    with pytest.raises(DataRejected, match=r"line \d+"):
        read(write(tmp_path, whole[: len(whole) // 2], "t.json"))


def test_objects_in_a_mapped_column_are_refused_with_the_key_to_write(tmp_path: Path) -> None:
    path = write(tmp_path, '{"text": "good", "label": {"name": "pos", "sure": 0.9}}\n', "t.jsonl")

    with pytest.raises(
        DataRejected, match=r"column label holds objects with the keys name and sure.*`label: label.name`"
    ):
        read(path, kind="jsonl", mapped={"text": "text", "label": "label"})
    with pytest.raises(DataRejected, match="column text holds lists"):
        read(
            write(tmp_path, '{"text": ["a", "b"], "label": "x"}\n', "u.jsonl"),
            kind="jsonl",
            mapped={"text": "text", "label": "label"},
        )


def test_a_broken_json_line_is_one_unreadable_row(tmp_path: Path) -> None:
    _, found = read(
        write(tmp_path, '{"text": "a"}\n{"text": \n[1]\n\n{"text": "b"}\n', "t.jsonl"), kind="jsonl"
    )

    assert [row.line if isinstance(row, Unreadable) else row["text"] for row in found] == ["a", 2, 3, "b"]


def parquet(tmp_path: Path, **columns: Any) -> Path:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


def test_parquet_of_any_type_never_crashes(tmp_path: Path) -> None:
    import pyarrow

    path = parquet(
        tmp_path,
        text=pyarrow.array(["a", None, "c"]).dictionary_encode(),
        far=pyarrow.array([253402300800, 0, None], pyarrow.timestamp("s")),
        day=pyarrow.array([3_000_000, 0, None], pyarrow.int32()).cast(pyarrow.date32()),
        nested=pyarrow.array([{"x": {"y": 1}}, {"x": None}, None]),
        items=pyarrow.array([[1, 2], [], None]),
        price=pyarrow.array([1, 2, None], pyarrow.int64()).cast(pyarrow.decimal128(22, 2)),
        large=pyarrow.array(["x", "y", None], pyarrow.large_string()),
    )
    _, found = read(path)

    assert [row["text"] for row in found if isinstance(row, dict)] == ["a", "", "c"]
    assert isinstance(found[0], dict)
    assert found[0]["far"].startswith("10000-01-01")
    assert (found[0]["nested.x.y"], found[0]["items"], found[0]["price"]) == ("1", "1,2", "1.00")


def test_parquet_bytes_are_decoded_and_broken_ones_named(tmp_path: Path) -> None:
    import pyarrow

    path = parquet(tmp_path, text=pyarrow.array(["café".encode(), b"\xff\xfe", b"c"]), label=["a", "b", "c"])
    _, found = read(path, mapped={"text": "text", "label": "label"})

    assert isinstance(found[1], Unreadable)
    assert (found[1].row, found[1].column) == (2, "text")
    assert found[0] == {"text": "café", "label": "a"}


SHEET = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
PARTS = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    'spreadsheetml.sheet.main+xml"/></Types>',
    "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
    'officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>'
    '<sheet name="Cover" sheetId="1" r:id="r1"/><sheet name="Texts" sheetId="2" r:id="r2"/></sheets>'
    "</workbook>",
    "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
    'relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
    'relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2" Type="http://schemas.'
    'openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet2.xml"/>'
    "</Relationships>",
}


def spreadsheet(path: Path, rows: list[list[str | int]]) -> Path:
    def cell(value: str | int) -> str:
        if isinstance(value, int):
            return f"<c><v>{value}</v></c>"
        return f'<c t="inlineStr"><is><t>{value}</t></is></c>'

    sheets = [[["Made by us"]], rows]
    with zipfile.ZipFile(path, "w") as zipped:
        for name, content in PARTS.items():
            zipped.writestr(name, content)
        for number, sheet in enumerate(sheets, start=1):
            lines = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in sheet)  # type: ignore[arg-type]
            zipped.writestr(f"xl/worksheets/sheet{number}.xml", SHEET.format(lines))
    return path


def test_a_spreadsheet_reads_as_its_table(tmp_path: Path) -> None:
    path = spreadsheet(
        tmp_path / "t.xlsx", [["text", "label"], *([f"a fine film {n}", n % 2] for n in range(9))]
    )
    shape, found = read(path)

    assert (shape.kind, shape.sheet, shape.columns) == ("xlsx", "Texts", ("text", "label"))
    assert found[1] == {"text": "a fine film 1", "label": "1"}
    assert len(found) == 9
    with pytest.raises(DataRejected, match="set `kind: xlsx`"):
        read(path, kind="csv")
    with pytest.raises(DataRejected, match=r"no sheet 'Other'.*'Cover', 'Texts'"):
        read(path, kind="xlsx", sheet="Other")


def test_fasttext_lines_give_text_and_labels(tmp_path: Path) -> None:
    shape, found = read(write(tmp_path, "__label__pos a good film\n__label__neg __label__sad bad\n", "t.txt"))

    assert shape.kind == "fasttext"
    assert found == [{"text": "a good film", "label": "pos"}, {"text": "bad", "label": "neg,sad"}]


def test_conll_tokens_are_joined_to_sentences(tmp_path: Path) -> None:
    text = "# label = pos\nA\tDT\nfine\tJJ\nfilm\tNN\n\nNo\tDT\ngood\tJJ\n\n"
    _, found = read(write(tmp_path, text * 3, "t.conll"), kind="conll")

    assert found[:2] == [
        {"text": "A fine film", "tags": "DT JJ NN", "label": "pos"},
        {"text": "No good", "tags": "DT JJ"},
    ]
    assert len(found) == 6


def test_two_files_of_different_length_are_refused(tmp_path: Path) -> None:
    texts = write(tmp_path, "a\nb\nc\n", "texts.txt")
    labels = write(tmp_path, "1\n0\n", "labels.txt")

    with pytest.raises(DataRejected, match=r"fewer lines \(line 3"):
        read(texts, kind="text", labels_path=labels)
    with pytest.raises(DataRejected, match="more lines"):
        read(write(tmp_path, "a\n", "one.txt"), kind="text", labels_path=labels)


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"%PDF-1.7 ...", "PDF"),
        (b"\n<!DOCTYPE html><html><body>log in</body></html>", "HTML page"),
        (b"<html><head></head></html>", "HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"SQLite format 3\0" + bytes(80), "SQLite"),
        (b"ARROW1\0\0", "Arrow IPC"),
        (b"<?xml version='1.0'?><a/>", "XML"),
        (b"\x80\x04\x95" + bytes(20), "pickle"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "picture"),
        (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    ],
)
@pytest.mark.parametrize("kind", ["csv", None])
def test_what_is_no_table_is_named(start: bytes, what: str, kind: str | None, tmp_path: Path) -> None:
    with pytest.raises(DataRejected, match=what):
        read(write(tmp_path, start), kind=kind)


def test_a_large_file_takes_constant_memory(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        line = "{n},a text of some words that say little,pos\n"
        path = write(tmp_path, "id,text,label\n" + "".join(line.format(n=n) for n in range(rows)))
        tracemalloc.start()
        with open_table(TableRequest(path, "t", 100_000_000)) as table:
            assert sum(1 for _ in table.rows) == rows
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    assert peak(40_000) < 1.2 * peak(15_000)


def test_times_of_a_spreadsheet_and_of_parquet_are_iso(tmp_path: Path) -> None:
    moment = datetime.datetime(2026, 9, 13, 8, 0)
    _, found = read(parquet(tmp_path, text=["a"], time=[moment]))

    assert isinstance(found[0], dict)
    assert found[0]["time"] == "2026-09-13 08:00:00"
