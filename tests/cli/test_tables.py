"""`tonewatch init --from` and `tonewatch data inspect` answer on the command line."""

import json
from pathlib import Path

import pytest

from pipeline.__main__ import run_command
from pipeline.io.params_file import load_params

CASES = Path(__file__).resolve().parents[1] / "fixtures" / "cases"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run_command(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_inspect_shows_what_a_table_holds(capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = run(capsys, "data", "inspect", str(CASES / "06-latin1-no-header.csv"))

    assert code == 0
    for words in ("latin-1, delimiter comma", "no header", "group: group", "0 56, 2 48, 4 46", "language en"):
        assert words in text


def test_inspect_gives_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = run(capsys, "data", "inspect", "--json", str(CASES / "36-control.csv"))
    document = json.loads(text)

    assert code == 0
    assert document["columns"]["topic"] == "topic"
    assert document["shape"]["dialect"]["delimiter"] == ","


def test_init_makes_a_workspace_from_two_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = run(
        capsys,
        "init",
        str(tmp_path / "w"),
        "--from",
        str(CASES / "34-texts.txt"),
        "--labels-from",
        str(CASES / "34-labels.txt"),
        "--labels",
        "2,1,0",
    )

    assert code == 0
    assert "tonewatch run" in text
    assert load_params(tmp_path / "w" / "params.yaml").collect.labels == ("2", "1", "0")


def test_lists_of_entities_in_json_are_a_task_of_entities(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "news.jsonl"
    spans = ([{"start": 0, "end": 4, "label": "place"}], [{"start": 0, "end": 4, "label": "person"}], [])
    rows = [{"text": f"Lima was here on day {day}", "spans": spans[day % 3]} for day in range(60)]
    table.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")

    code, _, _ = run(capsys, "init", str(tmp_path / "w"), "--from", str(table))

    params = load_params(tmp_path / "w" / "params.yaml")
    assert (code, params.task, params.collect.labels) == (0, "token_labels", ("person", "place"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("29-lfs-pointer.csv", "git lfs pull"),
        ("25-text-twice.parquet", "columns 1 and 3"),
        ("34-texts.txt", "--labels-from"),
    ],
)
def test_a_table_that_cannot_be_used_leaves_no_workspace(
    name: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, message = run(capsys, "init", str(tmp_path / "w"), "--from", str(CASES / name))

    assert code == 1
    assert words in message
    assert not (tmp_path / "w").exists()


def test_labels_without_a_table_are_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "init", str(tmp_path / "w"), "--labels", "a,b")[0] == 2
