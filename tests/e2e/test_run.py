"""The whole pipeline with a tiny model: run, skip, predict, report, resume, as DVC and MLflow see it too."""

import json
import os
import subprocess
import sys
import urllib.request
from itertools import pairwise
from pathlib import Path

import pytest
from lineage import LINEAGE

from pipeline.io.locks import workspace_lock

SHOWN = LINEAGE | {"metrics", "baselines", "intervals", "decision"}
STAGES = ["collect", "clean", "validate", "split", "pretrain", "finetune", "compress", "evaluate"]
pytestmark = pytest.mark.timeout(600)


def dvc(command, folder, *arguments):
    program = [sys.executable, "-m", "dvc", *arguments]
    process = subprocess.run(
        program, cwd=folder, env=command.environment, capture_output=True, text=True, timeout=240
    )
    assert process.returncode == 0, process.stdout + process.stderr


def git(folder, *arguments):
    return subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


def digests(folder):
    """Return the digests in the receipt of every stage."""
    return {
        path.parent.name: json.loads(path.read_text())["files"]
        for path in Path(folder, "data").glob("*/receipt.json")
    }


def scores(folder):
    """Return the score of every evaluation of the two trainings."""
    histories = [
        json.loads(Path(folder, "data", name, "history.json").read_text())
        for name in ("encoder", "classifier")
    ]
    return [metrics["score"] for history in histories for metrics in history]


@pytest.fixture(scope="module")
def pipeline(new_workspace, tiny, tmp_path_factory):
    """Run the pipeline once, for the tests that only read."""
    command = new_workspace(tmp_path_factory.mktemp("pipeline"))
    command.first = command("run", *tiny)
    assert command.first.code == 0, command.first.err
    return command


def test_the_first_run_ends_in_a_release_with_its_lineage(pipeline):
    shown = pipeline("release", "show", "R1").json

    assert pipeline.first.json["ran"] == STAGES
    assert shown.keys() >= SHOWN
    assert shown["data_version"] == "v1"
    assert shown["decision"]["accepted"] is True
    assert shown["metrics"]["per_source"].keys() == {"texts"}
    assert shown["baselines"].keys() == {"frozen_encoder", "tfidf"}
    low, high = shown["intervals"]["macro_f1"]
    assert low <= shown["metrics"]["macro_f1"] <= high


def test_a_second_run_skips_every_stage(pipeline):
    before, versions = digests(pipeline.folder), pipeline("data", "list").json

    second = pipeline("run")

    assert second.code == 0, second.err
    assert second.json["ran"] == []
    assert second.json["moved"] is None
    assert second.stages("stage.finished") == ["identity"]
    assert digests(pipeline.folder) == before
    assert pipeline("data", "list").json == versions


def test_the_users_git_branch_and_files_are_untouched(pipeline):
    assert git(pipeline.folder, "branch", "--show-current") != "data/main"
    assert (
        git(pipeline.folder, "log", "--format=%s", "data/main").count("\n")
        == len(pipeline("data", "list").json) - 1
    )
    assert "data/v1" in git(pipeline.folder, "tag")
    assert "texts.csv" in git(pipeline.folder, "status", "--porcelain")


def test_dvc_users_get_a_version_by_its_tag(pipeline, tmp_path):
    dvc(
        pipeline,
        pipeline.folder,
        "get",
        ".",
        "data/splits",
        "--rev",
        "data/v1",
        "-o",
        str(tmp_path / "splits"),
    )

    assert (
        json.loads((tmp_path / "splits" / "receipt.json").read_text())["files"]
        == digests(pipeline.folder)["splits"]
    )


def test_predictions_name_the_release_and_the_data_version(pipeline):
    predictions = pipeline("predict", "a lovely <b>film</b>", "what a dreadful meal that was").json

    assert [one["best"] for one in predictions] == ["good", "bad"]
    assert {(one["release"], one["data_version"]) for one in predictions} == {("R1", "v1")}
    assert sum(predictions[0]["probabilities"].values()) == pytest.approx(1.0, abs=2e-6)


def test_texts_come_from_a_file_or_from_standard_input(pipeline, tmp_path):
    (tmp_path / "some.txt").write_text("a superb song\n\nan awful phone\n")

    assert [one["best"] for one in pipeline("predict", "--file", str(tmp_path / "some.txt")).json] == [
        "good",
        "bad",
    ]
    assert pipeline("predict", "--file", str(tmp_path / "none.txt")).code == 2


def test_the_report_is_one_page_that_names_the_release(pipeline):
    page = Path(pipeline("report", "R1").json["report"]).read_text("utf-8")

    assert "R1" in page
    assert "<svg" in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_the_registry_describes_the_champions_version(pipeline):
    store = f"sqlite:///{pipeline.folder}/.tonewatch/mlflow.db"
    program = (
        f"import mlflow; client = mlflow.MlflowClient({store!r});"
        "version = client.get_model_version_by_alias('tonewatch', 'champion');"
        "print(version.description, version.tags)"
    )

    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=pipeline.environment, timeout=120
    )

    assert "R1" in process.stdout, process.stderr
    assert "'decision': 'accepted'" in process.stdout
    assert "'data_version': 'v1'" in process.stdout


def test_prefect_shows_the_flow_and_the_card_of_the_decision(pipeline):
    def ask(path):
        url = f"{pipeline.environment['PREFECT_API_URL']}/{path}/filter"
        request = urllib.request.Request(url, b"{}", {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=10))

    flows, cards = ask("flow_runs"), ask("artifacts")

    assert "COMPLETED" in {run["state_type"] for run in flows}
    assert any("| check | passed | reason |" in card["data"] for card in cards)


def test_a_locked_workspace_rejects_other_commands(pipeline):
    with workspace_lock(pipeline.folder / ".tonewatch"):
        rejected = [
            pipeline(*arguments) for arguments in (("run",), ("data", "rollback"), ("stage", "clean"))
        ]

    assert [result.code for result in rejected] == [3, 3, 3]
    assert all(str(os.getpid()) in result.json["error"] for result in rejected)


@pytest.mark.slow
def test_dvc_repro_gives_the_same_digests_as_the_flow(pipeline, tmp_path):
    clone = tmp_path / "clone"
    git(pipeline.folder, "clone", "-q", ".", str(clone))
    for name in ("params.yaml", "texts.csv", "dvc.yaml"):
        (clone / name).write_bytes((pipeline.folder / name).read_bytes())

    dvc(pipeline, clone, "repro", "--no-run-cache", "split")

    repro, flow = digests(clone), digests(pipeline.folder)
    for stage in ("raw", "clean", "validation", "splits"):
        assert repro[stage] == flow[stage]


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_killed_in_every_stage_it_resumes_to_the_same_release(pipeline, new_workspace, tiny, tmp_path):
    killed = new_workspace(tmp_path)

    started = [killed.killed_in(stage, "run", *tiny) for stage in STAGES]
    last = killed("run", *tiny)

    # Each run starts with the stage that was killed; finished stages never start again, but for `identity`.
    assert started[0] == ["collect"]
    assert started[1:] == [[killed_before, stage] for killed_before, stage in pairwise(STAGES)]
    assert [stage for stage in last.stages("stage.started") if stage != "identity"] == ["evaluate"], last.err
    for stage in ("raw", "clean", "validation", "splits"):
        assert digests(killed.folder)[stage] == digests(pipeline.folder)[stage]
    # Weights may differ in their last digits: the order of sums depends on the layout of memory.
    assert scores(killed.folder) == pytest.approx(scores(pipeline.folder), abs=1e-6)
    assert [move["to"] for move in killed("release", "list").json] == ["R1"]
    assert killed("release", "show").json["model_version"] == "1"
    assert [version["name"] for version in killed("data", "list").json] == ["v1"]
    assert not list(Path(killed.folder, "data").glob(".*.staging-*"))
