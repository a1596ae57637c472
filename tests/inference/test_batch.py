"""Tables of every format, scored row by row: nothing is lost or half-written, every fault has its line."""

import csv
import gzip
import io
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pytest
import running_service
import toy
from pyarrow import parquet

from pipeline.__main__ import run_command
from pipeline.base.config import Workspace
from pipeline.inference import workers
from pipeline.inference.predict import predict

FORMATS = ("csv", "tsv", "jsonl", "parquet", "csv.gz", "tsv.gz", "jsonl.gz")
TEXTS = [
    "word1",
    "unheard of",
    "word2 " * 20,
    "",
    None,
    'say "hi",\tthen\n-go',
    "  ",
    "日本 😀",
    "a\rb",
    "=1+1",
]
ADDED = [
    "label", "best", "uncertain", "cut",
    "probability_negative", "probability_neutral", "probability_positive", "release", "data_version",
]  # fmt: skip


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return running_service.make_workspace(tmp_path_factory.mktemp("batch") / "w")


@pytest.fixture
def score(workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that scores a table; it returns the exit code, and the document or the message."""

    def run(source: Path, out: Path | str, *options: str) -> tuple[int, Any]:
        arguments = ["predict", "--file", str(source), "--out", str(tmp_path / out), "--json", *options]
        code = run_command([*arguments, "--workspace", str(workspace.root)])
        return code, json.loads(capsys.readouterr().out)

    return run


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write a table as other programs do."""
    names = list(rows[0])
    suffixes = path.name.split(".")[1:]
    if suffixes[0] == "parquet":
        parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
        return path
    text = io.StringIO(newline="")
    if suffixes[0] == "jsonl":
        text.writelines(json.dumps(row) + "\n" for row in rows)
    else:
        table = csv.writer(text, delimiter="\t" if suffixes[0] == "tsv" else ",")
        table.writerow(names)
        table.writerows([["" if row[name] is None else row[name] for name in names] for row in rows])
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content) if suffixes[-1] == "gz" else content)
    return path


def read(path: Path) -> list[dict[str, Any]]:
    """Read a table as other programs do."""
    suffixes = path.name.split(".")[1:]
    if suffixes[0] == "parquet":
        return list(parquet.read_table(path).to_pylist())
    content = gzip.decompress(path.read_bytes()) if suffixes[-1] == "gz" else path.read_bytes()
    text = io.StringIO(content.decode(), newline="")
    if suffixes[0] == "jsonl":
        return [json.loads(line) for line in text.read().split("\n") if line]
    return list(csv.DictReader(text, delimiter="\t" if suffixes[0] == "tsv" else ","))


def as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


@pytest.mark.parametrize("out", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_every_row_and_column_is_kept_in_every_format(
    workspace: Workspace, score: Any, tmp_path: Path, source: str, out: str
) -> None:
    rows = [{"id": f"{number:03}", "text": text} for number, text in enumerate(TEXTS)]
    path = write(tmp_path / f"in.{source}", rows)

    code, scored = score(path, f"out.{out}")

    table = read(tmp_path / f"out.{out}")
    formula = "'=1+1" if out[:3] in ("csv", "tsv") else "=1+1"
    assert code == 0, scored
    assert [row["id"] for row in table] == [row["id"] for row in rows]
    assert [as_text(row["text"]) for row in table] == [as_text(text) for text in [*TEXTS[:-1], formula]]
    assert list(table[0]) == ["id", "text", *ADDED]
    assert (scored["rows"], scored["predicted"], scored["without_text"], scored["cut"]) == (10, 7, 3, 1)
    assert scored["escaped"] == (formula != "=1+1")
    texts = [text for text in TEXTS if text and text.strip()]
    expected = iter(predict(workspace, texts).records())
    for row, text in zip(table, TEXTS, strict=True):
        if not (text and text.strip()):
            assert [as_text(row[name]) for name in ADDED] == [""] * len(ADDED)
            continue
        record = next(expected)
        flat = record | {f"probability_{name}": p for name, p in record["probabilities"].items()}
        assert [as_text(row[name]) for name in ADDED] == [as_text(flat[name]) for name in ADDED]


def test_types_of_parquet_are_kept(score: Any, tmp_path: Path) -> None:
    table = pyarrow.table(
        {
            "text": pyarrow.array(["word1", None]).dictionary_encode(),
            "when": pyarrow.array([1, 2], pyarrow.timestamp("ns", "UTC")),
            "tags": pyarrow.array([["a"], []], pyarrow.list_(pyarrow.string())),
            "price": pyarrow.array([1, None], pyarrow.decimal128(9, 2)),
        }
    )
    parquet.write_table(table, tmp_path / "in.parquet")

    code, scored = score(tmp_path / "in.parquet", "out.parquet")

    written = parquet.read_table(tmp_path / "out.parquet")
    assert (code, scored["column"]) == (0, "text")
    assert written.select(table.column_names).equals(table)
    assert [str(written.schema.field(name).type) for name in ADDED] == [
        *("string", "string", "bool", "bool", "double", "double", "double", "string", "string")
    ]
    assert score(tmp_path / "in.parquet", "out.csv")[0] == 0
    assert score(tmp_path / "in.parquet", "out.jsonl")[0] == 0
    assert read(tmp_path / "out.jsonl")[0]["tags"] == ["a"]
    assert read(tmp_path / "out.csv")[0]["tags"] == '["a"]'


def test_values_of_json_are_kept_as_they_are(score: Any, tmp_path: Path) -> None:
    rows = [
        {
            "text": "word1",
            "mixed": 1,
            "nested": {"a": [1, None]},
            "long": 2**62 + 1,
            "half": 0.5,
            "yes": True,
        },
        {"text": 7, "mixed": "1", "nested": {}, "long": 1, "half": 1, "late": [1]},
        {"text": ["word1"], "mixed": None, "huge": 10**30},
    ]
    path = write(tmp_path / "in.jsonl", [rows[0]])
    path.write_text("\n\n".join(json.dumps(row) for row in rows))

    code, scored = score(path, "out.jsonl")

    written = read(tmp_path / "out.jsonl")
    assert (code, scored["rows"], scored["without_text"]) == (0, 3, 2)
    names = list(dict.fromkeys(name for row in rows for name in row))
    assert [{name: row[name] for name in names} for row in written] == [
        {name: row.get(name) for name in names} for row in rows
    ]


def test_numbers_and_dates_of_csv_stay_as_they_are_written(score: Any, tmp_path: Path) -> None:
    cells = ["007", "1.10", "-3.5e2", "+1", "2026-01-02", "TRUE", "nan", "-", " x ", "'a"]
    write(tmp_path / "in.csv", [{"text": "word1", "cell": cell} for cell in cells])

    assert score(tmp_path / "in.csv", "out.csv")[1]["escaped"] == 0
    assert [row["cell"] for row in read(tmp_path / "out.csv")] == cells


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.csv", b'text,id\nfine,1\n"never closed,2\nfine,3\n', "line 3"),
        ("a.csv", b'text,id\nfine,"a"b\n', "line 2"),
        ("a.csv", b"text,id\nfine,1\nfine,2,3\n", "line 3: 3 columns, expected 2"),
        ("a.csv", b'text,id\n"two\nlines",1\nfine\n', "line 4: 1 columns, expected 2"),
        ("a.csv", b"text,id\nfine,1\ncaf\xe9,2\n", "line 3 is not UTF-8"),
        ("a.csv", b"text,text\nfine,1\n", "several columns 'text'"),
        ("a.csv", b"", "is empty"),
        ("a.csv", "text\nword1\n".encode("utf-16"), "UTF-16"),
        ("a.csv", b"PK\x03\x04\x14\x00", "Excel"),
        ("a.csv.gz", b"text\nword1\n", "cannot be unpacked"),
        ("a.csv.gz", gzip.compress(b"text\n" + b"word1\n" * 9999)[:-20], "cannot be unpacked"),
        ("a.tsv", b"text\tid\nfine\t1\nfine\n", "line 3: 1 columns, expected 2"),
        ("a.jsonl", b"", "is empty"),
        ("a.jsonl", b'{"text": "fine"}\n{"text": \n', "line 2 is not JSON"),
        ("a.jsonl", b'{"text": "fine"}\n["fine"]\n', "line 2 is not an object"),
        ("a.jsonl", b'{"text": "fine", "text": "two"}\n', "line 1 is not JSON (a key is repeated"),
        ("a.jsonl", b'{"text": NaN}\n', "line 1 is not JSON (NaN"),
        ("a.jsonl", b'{"text": "fine"}\n{"text": "\\ud800"}\n', "line 2 contains half of a surrogate pair"),
        ("a.jsonl", b"[" * 100_000 + b"\n", "line 1 is not JSON"),
        ("a.jsonl", b'{"text": "caf\xe9"}\n', "line 1 is not UTF-8"),
        ("a.parquet", b"PAR1 but no more", "Parquet"),
        ("a.txt", b"word1\nword2\ncaf\xe9\n", "line 3 is not UTF-8"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_and_nothing_is_written(
    score: Any, tmp_path: Path, name: str, content: bytes, line: str
) -> None:
    (tmp_path / name).write_bytes(content)

    code, refused = score(tmp_path / name, "out.csv", *(["--column", "text"] if name != "a.txt" else []))

    assert code == 1, refused
    assert line in refused["error"]
    assert {path.name for path in tmp_path.iterdir()} == {name}


def test_a_damaged_page_of_parquet_leaves_nothing(score: Any, tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    rows = [{"text": f"word{number} and more"} for number in range(50_000)]
    parquet.write_table(pyarrow.Table.from_pylist(rows), path, compression="zstd", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 64] = bytes(64)
    path.write_bytes(content)

    code, refused = score(path, "out.csv")

    assert code == 1, refused
    assert "Parquet" in refused["error"]
    assert [one.name for one in tmp_path.iterdir()] == ["in.parquet"]


def test_texts_of_parquet_that_are_not_utf8_are_refused(score: Any, tmp_path: Path) -> None:
    texts = pyarrow.array([b"word1", b"caf\xe9"]).view(pyarrow.string())
    parquet.write_table(pyarrow.table({"text": texts}), tmp_path / "in.parquet")

    code, refused = score(tmp_path / "in.parquet", "out.csv")

    assert (code, "UTF8" in refused["error"]) == (1, True)
    assert [one.name for one in tmp_path.iterdir()] == ["in.parquet"]


def test_times_that_python_does_not_know_are_written(score: Any, tmp_path: Path) -> None:
    times = pyarrow.array([2**60, 0], pyarrow.timestamp("us"))
    parquet.write_table(pyarrow.table({"text": ["word1"] * 2, "time": times}), tmp_path / "in.parquet")

    for out in ("out.csv", "out.jsonl", "out.parquet"):
        assert score(tmp_path / "in.parquet", out)[0] == 0
    assert read(tmp_path / "out.csv")[1]["time"].startswith("1970-01-01")


def test_a_table_without_rows_is_written_and_one_without_texts_is_not(score: Any, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("text,id\n")
    assert score(path, "out.csv")[1]["rows"] == 0
    assert (tmp_path / "out.csv").read_text().startswith("text,id,label,best,")

    path.write_text("text,id\n,1\n")
    code, refused = score(path, "other.csv")
    assert (code, "'text', 'id'" in refused["error"]) == (1, True)
    assert not (tmp_path / "other.csv").exists()


@pytest.mark.parametrize(
    ("header", "options", "column"),
    [
        (["id", "text", "label2"], [], "text"),
        (["id", "comment"], [], "comment"),
        (["id", "text", "comment"], ["--column", "comment"], "comment"),
    ],
)
def test_the_column_of_texts_is_found(
    score: Any, tmp_path: Path, header: list[str], options: list[str], column: str
) -> None:
    rows = [{name: "7" if name == "id" else "word1" for name in header}]

    assert score(write(tmp_path / "in.csv", rows), "out.csv", *options)[1]["column"] == column


@pytest.mark.parametrize(
    ("header", "options", "named"),
    [
        (["title", "comment"], [], "`--column`: 'title', 'comment'"),
        (["id", "text"], ["--column", "nosuch"], "'id', 'text'"),
        (["text", "label"], [], "`--prefix predicted_`"),
        (["text", "probability_neutral"], [], "'probability_neutral'"),
        (["text", "x_label"], ["--prefix", "x_"], "`--prefix x_predicted_`"),
    ],
)
def test_a_column_that_cannot_be_used_is_wrong_use(
    score: Any, tmp_path: Path, header: list[str], options: list[str], named: str
) -> None:
    code, refused = score(write(tmp_path / "in.csv", [dict.fromkeys(header, "word1")]), "out.csv", *options)

    assert code == 2
    assert named in refused["error"]
    assert not (tmp_path / "out.csv").exists()


def test_a_prefix_resolves_a_name_that_is_taken(score: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", [{"text": "word1", "label": "mine"}])

    assert score(path, "out.csv", "--prefix", "predicted_")[0] == 0
    (row,) = read(tmp_path / "out.csv")
    assert (row["label"], row["predicted_label"], row["predicted_release"]) == ("mine", "negative", "R1")


def test_semicolons_are_read_as_spreadsheets_write_them(score: Any, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('\ufeffid;text\n1;"word1; word2"\n', "utf-8")

    assert score(tmp_path / "in.csv", "out.csv")[0] == 0
    assert read(tmp_path / "out.csv")[0]["text"] == "word1; word2"


def test_one_text_a_line_is_a_table_of_one_column(score: Any, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes("word1\r\n\nword2\u2028still\x0c the same\n".encode())

    assert score(tmp_path / "in.txt", "out.parquet")[1]["without_text"] == 1
    assert [row["text"] for row in read(tmp_path / "out.parquet")] == [
        "word1",
        "",
        "word2\u2028still\x0c the same",
    ]


def test_an_existing_file_stays_without_force(score: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", [{"text": "word1"}])
    (tmp_path / "out.csv").write_text("precious")

    code, refused = score(path, "out.csv")

    assert (code, "--force" in refused["error"]) == (2, True)
    assert (tmp_path / "out.csv").read_text() == "precious"
    assert score(path, "out.csv", "--force")[0] == 0
    assert score(path, "in.csv", "--force")[0] == 2
    assert read(path) == [{"text": "word1"}]


@pytest.mark.parametrize("out", ["out.xlsx", "out", "out.parquet.gz", "out.gz", ".", "nosuch/out.csv"])
def test_a_place_that_cannot_be_written_is_wrong_use(score: Any, tmp_path: Path, out: str) -> None:
    assert score(write(tmp_path / "in.csv", [{"text": "word1"}]), out)[0] == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["word1", "--out", "o.csv"],
        ["--file", "in.csv"],
        ["word1", "--column", "text"],
        ["word1", "--file", "in.csv", "--out", "o.csv"],
        ["--file", "nosuch.csv", "--out", "o.csv"],
    ],
)
def test_options_that_do_not_fit_together_are_wrong_use(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "in.csv", [{"text": "word1"}])

    assert run_command(["predict", *arguments, "--workspace", str(workspace.root)]) == 2


def test_the_scored_table_is_as_private_as_its_source(score: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", [{"text": "word1"}])
    path.chmod(0o640)

    score(path, "out.csv")

    assert (tmp_path / "out.csv").stat().st_mode & 0o777 == 0o640


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "ROWS_PER_PROCESS", 2_000)
    monkeypatch.setattr(workers, "cores", lambda: 2)


@pytest.mark.usefixtures("two_processes")
def test_worker_processes_predict_what_one_thread_predicts(score: Any, tmp_path: Path) -> None:
    rows = [{"text": f"word{number % 400}" if number % 7 else None} for number in range(9_000)]
    path = write(tmp_path / "in.parquet", rows)

    code, scored = score(path, "many.parquet")
    assert (code, scored["rows"], scored["without_text"]) == (0, 9_000, 1_286)
    workers.ROWS_PER_PROCESS = 10_000
    score(path, "one.parquet")

    assert parquet.read_table(tmp_path / "many.parquet").equals(parquet.read_table(tmp_path / "one.parquet"))


@pytest.mark.usefixtures("two_processes")
def test_a_worker_that_dies_leaves_nothing(score: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", [{"text": "word1 word2"}] * 300_000)

    def kill_one() -> None:
        running_service.wait_until(multiprocessing.active_children, 60)
        pid = multiprocessing.active_children()[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    code, refused = score(path, "out.csv")
    killer.join()

    assert (code, "memory" in refused["error"]) == (3, True)
    assert [one.name for one in tmp_path.iterdir()] == ["in.csv"]


def test_a_killed_command_leaves_no_table_and_no_process(workspace: Workspace, tmp_path: Path) -> None:
    path, out = tmp_path / "in.csv", tmp_path / "out.csv"
    path.write_text("text\n" + "word1 word2\n" * 400_000)
    arguments = ["predict", "--file", str(path), "--out", str(out), "--workspace", str(workspace.root)]
    part = tmp_path / ".out.csv.part"
    process = subprocess.Popen([sys.executable, "-m", "pipeline", *arguments], start_new_session=True)
    running_service.wait_until(lambda: part.exists() and part.stat().st_size > 100_000, 60)

    process.send_signal(signal.SIGKILL)
    process.wait(10)

    assert not out.exists()
    running_service.wait_until(lambda: not _alive(process.pid), 20)
    path.write_text("text\nword1\n")
    assert run_command(arguments) == 0
    assert len(read(out)) == 1
    assert {one.name for one in tmp_path.iterdir()} == {"in.csv", "out.csv"}


def _alive(group: int) -> bool:
    """Return whether any process of a group runs; a process that ended and was not waited for does not."""
    time.sleep(0.2)
    states = [
        stat.read_text().rpartition(")")[2].split()
        for stat in Path("/proc").glob("[0-9]*/stat")
        if stat.exists()
    ]
    return any(int(state[2]) == group and state[0] != "Z" for state in states)


def test_two_commands_cannot_write_one_table(score: Any, tmp_path: Path) -> None:
    from pipeline.io.tables.writer import write_table

    path = write(tmp_path / "in.csv", [{"text": "word1"}])
    schema = pyarrow.schema([("text", pyarrow.string())])
    with write_table(tmp_path / "out.csv", schema, {}, like=None, replace=False):
        code, refused = score(path, "out.csv")

    assert (code, "Another process" in refused["error"]) == (3, True)
    assert read(tmp_path / "out.csv") == []


def test_labels_of_any_name_become_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert toy.LABELS == ("negative", "neutral", "positive")
    workspace = running_service.make_workspace(tmp_path / "w")
    write(tmp_path / "in.csv", [{"comment": "word1"}])

    run_command(
        [
            *("predict", "--file", str(tmp_path / "in.csv"), "--out", str(tmp_path / "out.csv")),
            *("--workspace", str(workspace.root)),
        ]
    )

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("out.csv: 1 rows, 1 predicted from column 'comment'.")
    assert lines[1:] == ["Labels: negative 1.", "release R1, data v1"]


WORDS = {"soup": "negative", "waiter": "positive"}


@pytest.fixture
def score_toy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that scores a table with a release of another task."""

    def run(settings: dict[str, Any], source: Path, out: str, *options: str) -> tuple[int, Any]:
        workspace = running_service.serve_toy(tmp_path / "w", WORDS, settings)
        arguments = ["predict", "--file", str(source), "--out", str(tmp_path / out), "--json", *options]
        code = run_command([*arguments, "--workspace", str(workspace.root)])
        return code, json.loads(capsys.readouterr().out)

    return run


ASPECT = {"task": "aspect", "preparation": "2-targets"}


@pytest.mark.parametrize(("column", "options"), [("target", []), ("what", ["--target-column", "what"])])
def test_each_row_is_predicted_for_its_target(
    score_toy: Any, tmp_path: Path, column: str, options: list[str]
) -> None:
    rows = [{"text": "a fine visit", column: target} for target in ("soup", "waiter", "", None)]
    path = write(tmp_path / "in.jsonl", rows)

    code, scored = score_toy(ASPECT, path, "out.csv", *options, "--column", "text")

    assert code == 0, scored
    table = read(tmp_path / "out.csv")
    assert [row["best"] for row in table] == ["negative", "positive", "", ""]
    assert [row[column] for row in table] == ["soup", "waiter", "", ""]
    assert (scored["predicted"], scored["without_text"]) == (2, 2)


def test_a_table_without_targets_is_refused_with_its_columns(score_toy: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", [{"text": "a fine visit", "what": "soup"}])

    code, refused = score_toy(ASPECT, path, "out.csv")

    assert code == 2
    assert "no column 'target'. Name one of these with `--target-column`: 'text', 'what'" in refused["error"]


def test_a_target_column_is_refused_where_whole_texts_are_labelled(score: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", [{"text": "word1", "what": "soup"}])

    code, refused = score(path, "out.csv", "--target-column", "what")

    assert code == 2
    assert "labels texts as a whole (task single_label)" in refused["error"]


@pytest.mark.parametrize(("out", "has_list"), [("out.jsonl", True), ("out.csv", False)])
def test_json_has_the_list_of_labels(score_toy: Any, tmp_path: Path, out: str, has_list: bool) -> None:
    settings = {"task": "multi_label", "thresholds": [0.6, 0.6, 0.6]}
    path = write(tmp_path / "in.csv", [{"text": "soup waiter"}, {"text": "bread"}, {"text": ""}])

    code, scored = score_toy(settings, path, out, "--column", "text")

    assert code == 0, scored
    table = read(tmp_path / out)
    assert [row["best"] for row in table][:2] == ["negative + positive", "no label"]
    found = [row["labels"] for row in table] if has_list else None
    assert found == ([["negative", "positive"], [], None] if has_list else None)
    assert ("labels" in table[0]) == has_list
