"""Every kind of source gives rows of strings, and garbage is refused with what to type."""

import hashlib
import io
import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.base.config import FileSource, PackageSource
from pipeline.base.errors import DataRejected, SourceUnreachable
from pipeline.io.sources.readers import read_rows
from pipeline.io.sources.rows import rows_to_records

COLUMNS = {
    "text": "text",
    "label": "label",
    "rating": None,
    "id": None,
    "group": None,
    "time": None,
    "split": None,
}


def source(path: Path | str, kind: str = "csv", **columns: Any) -> FileSource:
    row = {
        "name": "mine",
        "kind": kind,
        "path": str(path),
        "columns": COLUMNS | columns,
        "group_pattern": None,
    }
    return FileSource.model_validate(row | {"ratings": None, "label_map": {}, "lang": "en", "licence": "MIT"})


def rows(asked: FileSource, root: Path, *, max_bytes: int = 1_000_000) -> list[dict[str, str]]:
    return list(read_rows(asked, root=root, downloads=root / "downloads", max_bytes=max_bytes))


def test_csv_jsonl_and_parquet_give_the_same_rows(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    wanted = [{"text": 'so, "good"\nit is', "label": "1"}, {"text": "bad", "label": ""}]
    (tmp_path / "t.csv").write_bytes('\ufefftext,label\r\n"so, ""good""\nit is",1\r\n\r\nbad,\r\n'.encode())
    (tmp_path / "t.jsonl").write_text(
        '{"text": "so, \\"good\\"\\nit is", "label": 1}\n\n{"text": "bad", "label": null}\n'
    )
    table = pyarrow.table(
        {"text": [row["text"] for row in wanted], "label": pyarrow.array([1, None], pyarrow.int64())}
    )
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")

    for kind in ("csv", "jsonl", "parquet"):
        assert rows(source(f"t.{kind}", kind), tmp_path) == wanted


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"text,label\n", "holds no rows"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"words,tone\na,b\n", r"no column 'text' \(found: 'words', 'tone'\).*`columns.text`"),
        (b"text,label\na,b,c\n", "line 2: 3 cells where 2 belong"),
        (b"text,text\na,b\n", "repeats a column name"),
        (bytes(range(256)) * 8, "not text: it holds binary data"),
        (b"PK\x03\x04rest", "cannot be unpacked as zip"),
        (b"PAR1rest", "kind: parquet"),
        (b'{"text": "a", "label": "b"}\n{"text": "c", "label": "d"}\n', "set `kind: jsonl`"),
        (b'[{"text": "a", "label": "b"}]\n', "set `kind: json`"),
        (b"text,label\n" + b"a,b\n" * 300_000, r"more than 1,000,000.*collect\.max_megabytes"),
    ],
)
def test_a_csv_that_cannot_be_used_is_refused_with_the_reason(
    content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_bytes(content)

    with pytest.raises(DataRejected, match=message):
        rows(source("t.csv"), tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{\n", "line 1 is not JSON.*`kind: json`"),
        (b"[1]\n", "line 1: the line is not an object"),
        (b"[" * 100_000, "is not JSON"),
        (b"\x81\n", "UTF-8|not JSON"),
        (b"\n", "is empty"),
    ],
)
def test_a_jsonl_that_cannot_be_used_is_refused_with_the_reason(
    content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / "t.jsonl").write_bytes(content)

    with pytest.raises(DataRejected, match=message):
        rows(source("t.jsonl", "jsonl"), tmp_path)


def test_a_key_missing_in_one_json_line_is_empty(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(
        '{"text": "a", "label": "x"}\n{"text": "b", "label": "y", "day": "2026-11-22"}\n{"label": "y"}\n'
    )
    asked = source("t.jsonl", "jsonl", time="day")

    found = list(rows_to_records(rows(asked, tmp_path), asked, ("x", "y")))

    assert [(record.text, record.time) for record in found] == [("a", ""), ("b", "2026-11-22"), ("", "")]


def test_a_key_missing_in_every_json_line_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"text": "a", "label": "x"}\n{"text": "b", "date": "2026"}\n')

    with pytest.raises(
        DataRejected, match=r"no column 'day' \(found: 'text', 'label', 'date'\).*`columns.time`"
    ):
        rows(source("t.jsonl", "jsonl", time="day"), tmp_path)


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1 but not really PAR1")

    with pytest.raises(DataRejected, match="cannot be read as Parquet"):
        rows(source("t.parquet", "parquet"), tmp_path)


def repeated(path: Path) -> None:
    """Write one long text of 5,000 rows as a dictionary of a single value."""
    import pyarrow

    texts = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 5_000, pyarrow.int32()), ["x" * 10_000])
    write(path, text=texts, label=["a"] * 5_000)


def one_page(path: Path) -> None:
    write(path, text=["x" * 30_000_000], label=["a"], use_dictionary=False)


def shared_prefixes(path: Path) -> None:
    encoding = {"text": "DELTA_BYTE_ARRAY", "label": "PLAIN"}
    texts = ["x" * 500_000] * 50
    write(path, text=texts, label=["a"] * 50, use_dictionary=False, column_encoding=encoding)


def run_of_nulls(path: Path) -> None:
    import pyarrow

    write(
        path, text=pyarrow.nulls(3_000_000, pyarrow.string()), label=pyarrow.nulls(3_000_000, pyarrow.int8())
    )


def lists_of_nothing(path: Path) -> None:
    write(path, text=["a"] * 10, label=[[None] * 100_000] * 10)


def write(path: Path, *, text: Any, label: Any, **options: Any) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(
        pyarrow.table({"text": text, "label": label}), path, compression="zstd", **options
    )


@pytest.mark.parametrize("bomb", [repeated, one_page, shared_prefixes, run_of_nulls, lists_of_nothing])
def test_a_parquet_bomb_is_stopped(bomb: Callable[[Path], None], tmp_path: Path) -> None:
    bomb(tmp_path / "t.parquet")

    assert (tmp_path / "t.parquet").stat().st_size < 100_000
    start = time.monotonic()
    with pytest.raises(DataRejected, match="unpacks to more than"):
        rows(source("t.parquet", "parquet"), tmp_path)
    assert time.monotonic() - start < 5


def test_a_parquet_bomb_takes_no_more_memory_than_the_limit(tmp_path: Path) -> None:
    # 1,000 rows of one text of 4 MB: read as plain strings, one batch alone takes 4 GB. Not measured by
    # `ru_maxrss`, which begins with what the parent held.
    import pyarrow

    texts = pyarrow.DictionaryArray.from_arrays(
        pyarrow.array([0] * 1_000, pyarrow.int32()), ["x" * 4_000_000]
    )
    write(tmp_path / "t.parquet", text=texts, label=["a"] * 1_000)
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from pipeline.base.errors import DataRejected\n"
        "from pipeline.io.table_files.opening import open_table\n"
        "from pipeline.io.table_files.shape import TableRequest\n"
        "try:\n"
        "    with open_table(TableRequest(Path(sys.argv[1]), 'here', 50_000_000, 'parquet')) as table:\n"
        "        list(table.rows)\n"
        "except DataRejected:\n"
        "    status = Path('/proc/self/status').read_text()\n"
        "    print(int(status.partition('VmHWM:')[2].split()[0]) // 1024)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "t.parquet")]

    megabytes = int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

    assert megabytes < 1_000


@pytest.mark.parametrize(
    "encoding", ["PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY", "RLE_DICTIONARY"]
)
def test_every_encoding_of_a_parquet_file_gives_the_same_rows(encoding: str, tmp_path: Path) -> None:
    options = {"column_encoding": {"text": encoding, "label": "PLAIN"}, "use_dictionary": False}
    if encoding == "RLE_DICTIONARY":
        options = {"use_dictionary": True}
    write(tmp_path / "t.parquet", text=["good", None, "good"], label=[1.5, None, 2.0], **options)

    assert rows(source("t.parquet", "parquet"), tmp_path) == [
        {"text": "good", "label": "1.5"},
        {"text": "", "label": ""},
        {"text": "good", "label": "2.0"},
    ]


def test_a_giant_cell_and_a_nul_are_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,label\n" + "x" * 500_000 + ",a\nno\0pe,b\n")

    assert [len(row["text"]) for row in rows(source("t.csv"), tmp_path)] == [500_000, 5]


def test_half_a_surrogate_pair_becomes_a_replacement_character(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps({"text": "\ud83d oh \U0001f600", "label": "a"}))

    assert rows(source("t.jsonl", "jsonl"), tmp_path)[0]["text"] == "\N{REPLACEMENT CHARACTER} oh \U0001f600"


def test_a_missing_file_and_a_folder_are_unreachable(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreachable, match="does not exist"):
        rows(source("t.csv"), tmp_path)
    with pytest.raises(SourceUnreachable, match="is a folder"):
        rows(source("."), tmp_path)


def test_only_an_absolute_path_leaves_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,label\na,b\n")
    root = tmp_path / "workspace"
    root.mkdir()
    (root / "link.csv").symlink_to(tmp_path / "t.csv")

    for path in ("../t.csv", "link.csv"):
        with pytest.raises(DataRejected, match="leads out of the workspace"):
            rows(source(path), root)
    assert rows(source(tmp_path / "t.csv"), root) == [{"text": "a", "label": "b"}]


def packaged(
    root: Path, content: bytes, delimiter: str = "\t", *, beside: bytes | None = None, **columns: str
) -> list[dict[str, str]]:
    """Put an archive where a fetched one lies, so that no index is asked, and read the rows inside it."""
    second = {"members": ("*/raters.txt",), "header": ("label", "given")} if beside is not None else None
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as box:
        box.writestr("t-1.0/rows.txt", content)
        box.writestr("t-1.0/raters.txt", beside or b"")
    sha256 = hashlib.sha256(out.getvalue()).hexdigest()
    (root / "downloads").mkdir()
    (root / "downloads" / sha256).write_bytes(out.getvalue())
    own = source("t", **columns).model_dump(exclude_unset=True) | {
        "kind": "package",
        "project": "t",
        "sha256": sha256,
        "members": ("*/rows.txt",),
    }
    asked = PackageSource.model_validate(
        {name: value for name, value in own.items() if name != "path"}
        | {"delimiter": delimiter, "header": ("label", "text"), "join": second}
    )
    return list(read_rows(asked, root=root, downloads=root / "downloads", max_bytes=1_000_000))


def test_a_quote_in_tab_separated_text_is_only_a_quote(tmp_path: Path) -> None:
    found = packaged(tmp_path, b'1\t"so good\r\n0\tsay ""no""\r\n')

    assert found == [{"label": "1", "text": '"so good'}, {"label": "0", "text": 'say ""no""'}]


def test_a_quote_in_comma_separated_text_keeps_commas_together(tmp_path: Path) -> None:
    assert packaged(tmp_path, b'1,"so, so"\n', ",") == [{"label": "1", "text": "so, so"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b" \n", "is empty"), (b"1\tb\xffd\n", "UTF-8"), (b"1\n", "line 1: 1 columns, expected 2")],
)
def test_a_packaged_table_that_cannot_be_used_is_refused(
    content: bytes, message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataRejected, match=message):
        packaged(tmp_path, content)


def test_a_second_table_adds_its_columns_to_the_rows_of_the_same_id(tmp_path: Path) -> None:
    found = packaged(tmp_path, b"1\tgood\n2\tbad\n", beside=b"\xef\xbb\xbf3\t[4]\n1\t[2, 3]\n", id="label")

    assert found == [{"label": "1", "text": "good", "given": "[2, 3]"}, {"label": "2", "text": "bad"}]


def test_a_second_table_with_an_id_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataRejected, match=r"raters\.txt.*two rows with the label '1'"):
        packaged(tmp_path, b"1\tgood\n", beside=b"1\t[2]\n1\t[3]\n", id="label")


def test_a_second_table_without_the_id_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"must be in `header` and in `join\.header`"):
        packaged(tmp_path, b"1\tgood\n", beside=b"1\t[2]\n", id="text")
