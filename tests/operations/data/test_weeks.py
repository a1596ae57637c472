"""Week 1, week 2 with relabelled and dropped texts, a rollback, a forgotten text, and a week after."""

import csv
import itertools
import os
from pathlib import Path

import pytest
from secrets_kept import files_holding

from pipeline.base.config import NEWEST, Workspace
from pipeline.base.data_account import DataAccount
from pipeline.base.errors import DataRejected
from pipeline.io import files
from pipeline.io.params_file import set_params
from pipeline.io.versioning import data_versions
from pipeline.operations.consistency import check_remotes
from pipeline.operations.data import remotes
from pipeline.operations.data.report import build_report
from pipeline.operations.data_versions import data_card, diff_versions, rollback_data, show_version
from pipeline.operations.forgetting import Selection, forget_records
from pipeline.operations.retrain import catch_up, open_context
from pipeline.operations.workspace import init_workspace
from pipeline.stages.runner import DATA_STAGES, run_if_changed

WORDS = {"bad": ("awful", "poor", "boring", "ugly"), "good": ("great", "lovely", "superb", "charming")}
THINGS = ("film", "book", "phone", "meal", "song", "hotel room", "train ride", "garden", "concert", "lamp")
SECRET = "the superb quartz canary of Mrs Zwick sang in room 41"


def rows_of(*frames: str) -> list[list[str]]:
    """Return id, text and label of every text, in a fixed order."""
    made = [
        (frame.format(word, thing), label)
        for label, words in WORDS.items()
        for word, thing, frame in itertools.product(words, THINGS, frames)
    ]
    return [[f"r{n}", text, label] for n, (text, label) in enumerate(made)]


def write(root: Path, rows: list[list[str]]) -> None:
    with (root / "texts.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["key", "text", "label"], *rows])


def run_data(places: Workspace) -> str:
    """Do what a run does before it trains."""
    context = open_context(places, "laptop")
    catch_up(places)
    for stage in ("identity", *DATA_STAGES):
        run_if_changed(context, stage)
    version = data_versions.keep_data_version(places.root, "a week")
    remotes.push_version(places.root)
    return version.name


def findings(places: Workspace) -> dict[str, str]:
    found = files.read_json(places.root / "data" / "validation" / "findings.json")
    return {one["kind"]: one["detail"] for one in found if " since " in one["kind"]}


@pytest.mark.timeout(600)
@pytest.mark.slow
def test_two_weeks_a_rollback_a_forgotten_text_and_a_week_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "dvc"))
    monkeypatch.setenv("PATH", os.environ["PATH"])
    root, remote = init_workspace(tmp_path / "workspace", "csv"), tmp_path / "remote"
    places = Workspace.of(root, {})
    params = root / "params.yaml"
    params.write_text(params.read_text("utf-8").replace("rating: null, id: null", "rating: null, id: key"))
    set_params(params, ["collect.labels=[bad, good]"])
    first = [*rows_of("a {} {}", "what a {} {} that was"), ["r900", SECRET, "good"]]
    write(root, first)
    remotes.use_remote(places, str(remote), name="store", endpoint=None)

    assert run_data(places) == "v1"
    assert (run_data(places), findings(places)) == ("v1", {})
    assert files_holding(remote, SECRET)

    relabelled = [[*row[:2], "good"] if row[0] in ("r1", "r2", "r3") else row for row in first]
    added = [[f"n{n}", *row[1:]] for n, row in enumerate(rows_of("we saw the {} {}")[:30])]
    second = [*relabelled[:4], *relabelled[30:], *added]
    write(root, [[*row[:2], "good"] if number < 20 else row for number, row in enumerate(first)])
    with pytest.raises(DataRejected, match=r"(?s)relabelled since v1: 20 texts .*validate\.change\.stop"):
        run_data(places)
    write(root, second)
    assert run_data(places) == "v2"

    assert set(findings(places)) == {"dropped since v1"}
    diff = diff_versions(root, None, None)
    assert (diff.old, diff.new, diff.labels) == ("v1", "v2", {"bad -> good": 3})
    counts = {kind: diff.counts[kind] for kind in ("added", "dropped", "relabelled", "reworded")}
    assert counts == {"added": 30, "dropped": 26, "relabelled": 3, "reworded": 0}
    assert data_card(places, "v1")["children"] == ["v2"]
    report = build_report(places, show_version(root, "v2"))
    assert report.change
    assert (report.parent, report.change["dropped"], report.read) == ("v1", 26, len(second))

    assert rollback_data(root, "v1", "a test").name == "v1"
    assert SECRET in str(data_versions.read_split(root, "v1", "train", "valid", "test"))

    erased = forget_records(places, Selection.of(("texts:r900",), (), ()), dry_run=False)
    assert erased.versions == ("v2", "v1")
    assert erased.remotes["store"] > 0
    assert files_holding(root, SECRET) == ["texts.csv"]
    assert files_holding(remote, SECRET) == []

    set_params(params, [f"data.version={NEWEST}"])
    assert run_data(places) == "v3"
    assert files_holding(root, SECRET) == ["texts.csv"]
    assert files_holding(remote, SECRET) == []
    after = diff_versions(root, "v2", "v3")
    assert {kind: after.counts[kind] for kind in ("added", "dropped", "relabelled")} == {
        "added": 0,
        "dropped": 0,
        "relabelled": 0,
    }
    account = DataAccount.of_notes(files.read_receipt(root / "data" / "clean").notes)
    assert account
    assert account.forgotten == 1
    assert check_remotes(places).ok, check_remotes(places).message
    assert remotes.verify_data(places).versions == ("v3",)
