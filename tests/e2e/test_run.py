"""The whole line on a tiny model: run, skip, change, roll back, predict, report, and what DVC and MLflow see of it."""

import json
import os
import subprocess
import sys
import urllib.request
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.io.locks import workspace_lock

SHOWN = {
    *(
        "release",
        "created",
        "actor",
        "reason",
        "data_version",
        "model_version",
        "code_commit",
        "params_digest",
    ),
    *("metrics", "baselines", "intervals", "decision"),
}
STAGES = ["collect", "clean", "validate", "split", "pretrain", "finetune", "compress", "evaluate"]
pytestmark = pytest.mark.timeout(600)


def dvc(command, folder, *arguments):
    program = [sys.executable, "-m", "dvc", *arguments]
    ended = subprocess.run(
        program, cwd=folder, env=command.environment, capture_output=True, text=True, timeout=240
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def git(folder, *arguments):
    return subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


def digests(folder):
    """Give what every stage says of its files."""
    return {
        path.parent.name: json.loads(path.read_text())["files"]
        for path in Path(folder, "data").glob("*/receipt.json")
    }


def scores(folder):
    """Give every judgement of the two trainings."""
    histories = [
        json.loads(Path(folder, "data", name, "history.json").read_text())
        for name in ("encoder", "classifier")
    ]
    return [look["score"] for history in histories for look in history]


@pytest.fixture(scope="module")
def line(new_workspace, tiny, tmp_path_factory):
    """Run the line once, for the tests that only look."""
    command = new_workspace(tmp_path_factory.mktemp("line"))
    command.first = command("run", *tiny)
    assert command.first.code == 0, command.first.err
    return command


def test_the_first_run_ends_in_a_release_that_says_what_it_is(line):
    shown = line("release", "show", "R1").answer

    assert line.first.answer["ran"] == STAGES
    assert shown.keys() >= SHOWN
    assert shown["data_version"] == "v1"
    assert shown["decision"]["accepted"] is True
    assert shown["metrics"]["per_source"].keys() == {"texts"}
    assert shown["baselines"].keys() == {"tfidf"}
    low, high = shown["intervals"]["macro_f1"]
    assert low <= shown["metrics"]["macro_f1"] <= high


def test_a_second_run_skips_every_stage_and_says_so(line):
    before, versions = digests(line.folder), line("data", "list").answer

    second = line("run")

    assert second.code == 0, second.err
    assert second.answer["ran"] == []
    assert second.answer["moved"] is None
    assert second.stages("done") == ["identity"]
    assert digests(line.folder) == before
    assert line("data", "list").answer == versions


def test_what_the_user_had_under_git_is_untouched(line):
    assert git(line.folder, "branch", "--show-current") != "data/main"
    assert (
        git(line.folder, "log", "--format=%s", "data/main").count("\n")
        == len(line("data", "list").answer) - 1
    )
    assert "data/v1" in git(line.folder, "tag")
    assert "texts.csv" in git(line.folder, "status", "--porcelain")


def test_dvc_users_get_a_version_by_its_tag(line, tmp_path):
    dvc(line, line.folder, "get", ".", "data/splits", "--rev", "data/v1", "-o", str(tmp_path / "splits"))

    assert (
        json.loads((tmp_path / "splits" / "receipt.json").read_text())["files"]
        == digests(line.folder)["splits"]
    )


def test_answers_name_the_release_and_the_data_version(line):
    told = line("predict", "a lovely <b>film</b>", "what a dreadful meal that was").answer

    assert [one["label"] for one in told] == ["good", "bad"]
    assert {(one["release"], one["data_version"]) for one in told} == {("R1", "v1")}
    assert sum(told[0]["probabilities"].values()) == pytest.approx(1.0)


def test_texts_come_from_a_file_or_from_standard_input(line, tmp_path):
    (tmp_path / "some.txt").write_text("a superb song\n\nan awful phone\n")

    assert [one["label"] for one in line("predict", "--file", str(tmp_path / "some.txt")).answer] == [
        "good",
        "bad",
    ]
    assert line("predict", "--file", str(tmp_path / "none.txt")).code == 2


def test_the_report_is_one_page_that_names_the_release(line):
    page = Path(line("report", "R1").answer["report"]).read_text("utf-8")

    assert "R1" in page
    assert "<svg" in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_the_registry_tells_what_became_of_a_version(line):
    store = f"sqlite:///{line.folder}/.tonewatch/mlflow.db"
    program = (
        f"import mlflow; version = mlflow.MlflowClient({store!r}).get_model_version_by_alias('tonewatch', 'champion');"
        "print(version.description, version.tags)"
    )

    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=line.environment, timeout=120
    )

    assert "R1" in found.stdout, found.stderr
    assert "'decision': 'accepted'" in found.stdout
    assert "'data_version': 'v1'" in found.stdout


def test_the_flow_and_its_decision_card_are_on_prefects_pages(line):
    def ask(path):
        url = f"{line.environment['PREFECT_API_URL']}/{path}/filter"
        request = urllib.request.Request(url, b"{}", {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=10))

    flows, cards = ask("flow_runs"), ask("artifacts")

    assert "COMPLETED" in {run["state_type"] for run in flows}
    assert any("| part | passed | why |" in card["data"] for card in cards)


def test_while_one_works_on_the_workspace_another_is_turned_away(line):
    with workspace_lock(line.folder / ".tonewatch"):
        turned_away = [
            line(*arguments)
            for arguments in (("run",), ("release", "rollback"), ("data", "rollback"), ("stage", "clean"))
        ]

    assert [ended.code for ended in turned_away] == [3, 3, 3, 3]
    assert all(str(os.getpid()) in ended.answer["error"] for ended in turned_away)


def test_dvc_repro_from_clean_gives_the_same_digests_as_the_flow(line, tmp_path):
    clone = tmp_path / "clone"
    git(line.folder, "clone", "-q", ".", str(clone))
    for name in ("params.yaml", "texts.csv", "dvc.yaml"):
        (clone / name).write_bytes((line.folder / name).read_bytes())

    dvc(line, clone, "repro", "--no-run-cache", "split")

    made, flow = digests(clone), digests(line.folder)
    for stage in ("raw", "clean", "validation", "splits"):
        assert made[stage] == flow[stage]


def test_killed_in_every_stage_the_line_goes_on_and_ends_as_if_it_never_was(
    line, new_workspace, tiny, tmp_path
):
    killed = new_workspace(tmp_path)

    begun = [killed.killed_in(stage, "run", *tiny) for stage in STAGES]
    last = killed("run", *tiny)

    # Each run begins with the stage that was killed before; what had finished is never begun again.
    # (`identity` is no such stage: it asks each time what the others would run.)
    assert begun[0] == ["collect"]
    assert begun[1:] == [[killed_before, stage] for killed_before, stage in pairwise(STAGES)]
    assert [stage for stage in last.stages("begins") if stage != "identity"] == ["evaluate"], last.err
    for stage in ("raw", "clean", "validation", "splits"):
        assert digests(killed.folder)[stage] == digests(line.folder)[stage]
    # Weights may differ in their last digits: the library sums in an order that depends on where memory lies.
    assert scores(killed.folder) == pytest.approx(scores(line.folder), abs=1e-6)
    assert [move["to"] for move in killed("release", "list").answer] == ["R1"]
    assert killed("release", "show").answer["model_version"] == "1"
    assert [version["name"] for version in killed("data", "list").answer] == ["v1"]
    assert not list(Path(killed.folder, "data").glob(".*.staging-*"))
