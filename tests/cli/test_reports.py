"""`tonewatch report` and `tonewatch release list`: the files they write and what these hold."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from pipeline.__main__ import run_command
from pipeline.base.config import Workspace
from pipeline.base.records import Receipt
from pipeline.io import files, parquet
from pipeline.io.params_file import load_profile
from pipeline.io.registry.ledger import Ledger
from pipeline.io.versioning import data_versions
from pipeline.operations.workspace import init_workspace
from pipeline.release import reports
from pipeline.stages.context import StageContext
from pipeline.stages.runner import run_if_changed

FIXTURES = Path(__file__).parents[1] / "fixtures"
ROWS = [
    ("text", "label"),
    *(
        (f"this is text number {n} and it is fine", ("negative", "neutral", "positive")[n % 3])
        for n in range(60)
    ),
]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Create a workspace with a data version and three releases: R1 and R2 served, R3 was refused."""
    root = tmp_path_factory.mktemp("reports") / "ws"
    init_workspace(root, "csv")
    (root / "texts.csv").write_text("".join(",".join(row) + "\n" for row in ROWS), "utf-8")
    places = Workspace.of(root, {})
    at = StageContext(places, load_profile("laptop"))
    for stage in ("identity", "collect", "clean"):
        run_if_changed(at, stage)
    # Great Expectations takes seconds to import, and no test here needs its report.
    with files.staging_dir(root / "data" / "validation") as staging:
        files.write_json(staging / "checks.json", [])
        files.write_receipt(staging, Receipt("validate"))
    at.dvc_cache.commit("validate")
    run_if_changed(at, "split")
    data_versions.keep_data_version(root, "a test")
    ledger = Ledger(places.ledger)
    for identity, name in (("one", "release"), ("two", "release"), ("three", "refused")):
        ledger.add(_document(name, identity, root))
    ledger.move(expected=None, target="R1", actor="ada", reason="tonewatch run")
    ledger.move(expected="R1", target="R2", actor="=cmd()", reason='new data, "as agreed"')
    return root


@pytest.fixture
def workspace(template, tmp_path, monkeypatch):
    """Copy the workspace, and change into it."""
    shutil.copytree(template, tmp_path / "ws", symlinks=True)
    monkeypatch.chdir(tmp_path / "ws")
    return tmp_path / "ws"


def run(capsys, *arguments):
    """Run a command; return its exit code, stdout and stderr."""
    code = run_command(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def texts_of(root):
    return {
        record.id: record.text for record in parquet.read_texts(root / "data" / "splits" / "test.parquet")
    }


def test_a_report_is_a_page_with_two_cards_beside_it(workspace, capsys):
    code, out, _ = run(capsys, "report", "R2", "--json")

    written = json.loads(out)
    folder = workspace / ".tonewatch" / "reports"
    assert code == 0
    assert written == {
        "report": f"{folder}/R2.html",
        "markdown": f"{folder}/R2.md",
        "json": f"{folder}/R2.json",
    }
    assert json.loads((folder / "R2.json").read_text("utf-8"))["compared"]["candidate"] == "R2"
    assert MarkdownIt().render((folder / "R2.md").read_text("utf-8")).startswith("<h1>R2: accepted</h1>")


def test_the_data_card_comes_from_the_data_version(workspace, capsys):
    assert run(capsys, "report", "R2")[0] == 0

    data = json.loads((workspace / ".tonewatch" / "reports" / "R2.json").read_text("utf-8"))["data"]
    version = data_versions.show_version(workspace, "v1")
    assert (data["fingerprint"], data["texts"], data["labels"]) == (
        version.fingerprint,
        60,
        {"negative": 20, "neutral": 20, "positive": 20},
    )


def test_changed_texts_are_on_the_page_and_on_no_card(workspace, capsys):
    texts = texts_of(workspace)

    assert run(capsys, "report", "R2", "--out", "here.html")[0] == 0

    assert set(texts.values()) & {
        text for text in texts.values() if text in Path("here.html").read_text("utf-8")
    }
    for card in ("here.md", "here.json"):
        assert not [text for text in texts.values() if text in Path(card).read_text("utf-8")]


def test_texts_of_another_data_version_are_not_shown(workspace, capsys):
    texts = texts_of(workspace)
    splits = workspace / "data" / "splits"
    records, receipt = list(parquet.read_texts(splits / "test.parquet")), files.read_receipt(splits)
    with files.staging_dir(splits) as staging:
        parquet.write_texts(staging / "test.parquet", records)
        files.write_receipt(staging, Receipt("split", notes={**receipt.notes, "fingerprint": "0" * 64}))

    assert run(capsys, "report", "R2", "--out", "here.html")[0] == 0

    assert not [text for text in texts.values() if text in Path("here.html").read_text("utf-8")]


def test_a_release_without_its_data_version_has_a_page(workspace, capsys):
    shutil.rmtree(workspace / "data" / "splits")
    shutil.rmtree(workspace / ".git")

    assert run(capsys, "report", "R2", "--out", "here.html")[0] == 0

    assert json.loads(Path("here.json").read_text("utf-8"))["data"]["fingerprint"] is None


@pytest.mark.parametrize("out", ["here.md", "here.json"])
def test_a_page_cannot_replace_a_card(workspace, capsys, out):
    code, _, message = run(capsys, "report", "R2", "--out", out)

    assert code == 2
    assert "--out here.html" in message
    assert not Path(out).exists()


def test_an_unknown_release_has_no_report(workspace, capsys):
    code, _, message = run(capsys, "report", "R9")

    assert code == 2
    assert "known: R1, R2, R3" in message


def test_the_list_shows_who_served_when_and_why(workspace, capsys):
    code, out, _ = run(capsys, "release", "list", "--json")
    moves = json.loads(out)

    assert code == 0
    assert [(move["from"], move["to"], move["kind"]) for move in moves] == [
        ("R1", "R2", "on"),
        (None, "R1", "first"),
    ]
    assert (moves[0]["until"], moves[1]["until"]) == (None, moves[0]["time"])
    table = run(capsys, "release", "list")[1].splitlines()
    assert table[0].split() == ["no.", "time", "until", "from", "to", "actor", "reason"]
    assert "now" in table[1]


def test_the_csv_has_a_row_per_move_and_no_formula(workspace, capsys):
    code, out, _ = run(capsys, "release", "list", "--csv")

    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [(row["sequence"], row["to"], row["kind"]) for row in rows] == [
        ("2", "R2", "on"),
        ("1", "R1", "first"),
    ]
    assert rows[0]["actor"] == "'=cmd()"
    assert rows[0]["reason"] == 'new data, "as agreed"'


def test_the_timeline_shows_reigns_and_the_refused_candidate(workspace, capsys):
    code, out, _ = run(capsys, "release", "list", "--plot", "--out", "champions.html", "--json")

    page = Path("champions.html").read_text("utf-8")
    assert code == 0
    assert json.loads(out) == {"history": f"{workspace}/champions.html"}
    assert page.count('class="reign') == 2
    assert '<g class="lane refused">' in page


@pytest.mark.parametrize("wrong", [["--csv", "--json"], ["--csv", "--plot"], ["--out", "x.html"]])
def test_exclusive_options_are_wrong_use(workspace, capsys, wrong):
    assert run(capsys, "release", "list", *wrong)[0] == 2


def test_the_cards_for_mlflow_and_prefect_hold_no_text(workspace):
    document = Ledger(Workspace.of(workspace, {}).ledger).get("R3").record
    texts = texts_of(workspace)

    for text in (reports.model_card(document), reports.decision_card(document)):
        assert text.startswith("# R3: refused")
        assert not [one for one in texts.values() if one in text]
    assert len(reports.model_card(document)) < 5_000


def _document(name, identity, root):
    document = json.loads((FIXTURES / f"{name}.json").read_text("utf-8"))
    changed = [
        {"id": one, "label": "neutral", "champion": "neutral", "candidate": "positive"}
        for one in texts_of(root)
    ]
    document["comparison"]["changed"] |= {"texts": changed}
    document |= {
        "identity": identity,
        "data_version": "v1",
        "files": files.read_receipt(root / "data" / "splits").files,
    }
    return {
        key: value
        for key, value in document.items()
        if key not in ("release", "created", "in_service", "moves", "data")
    }
