"""A search on a small cluster: trials over folds, killed and continued, and its best as an overlay."""

import multiprocessing
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor

import pytest
import tuning

from pipeline.base.config.environment import configure_environment
from pipeline.base.errors import ConfigError, Fault
from pipeline.io.locks import workspace_lock
from pipeline.io.params_file import load_params, set_params
from pipeline.io.registry.mlflow_tracking import mlflow_at
from pipeline.io.registry.training_curves import PARENT
from pipeline.operations.retrain import open_context
from pipeline.operations.tuning.overlay import overlay_assignments
from pipeline.operations.tuning.search import folds_name, tune


def search(workspace):
    """Search as the command does; in a process of its own, whose cluster ends with it."""
    configure_environment(workspace, os.environ)
    return tune(workspace, "laptop", workspace.root / "tuned.yaml")


def scores(workspace):
    """Return when each score was written, by its file."""
    return {path.name: path.stat().st_mtime_ns for path in workspace.checkpoints.glob("tune-*/scores/*.json")}


def trial_runs(workspace):
    """Return the parent runs and their children, as MLflow holds them."""
    with mlflow_at(workspace.mlflow) as client:
        place = client.get_experiment_by_name("tonewatch-tune").experiment_id
        runs = client.search_runs([place])
    children = [run for run in runs if PARENT in run.data.tags]
    return [run for run in runs if run not in children], children


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_search_that_is_killed_over_half_a_file_goes_on_and_gives_the_best_values(workspace):
    spawn = multiprocessing.get_context("spawn")
    process = spawn.Process(target=search, args=(workspace,))
    process.start()
    while len(scores(workspace)) < 2 and process.is_alive():
        time.sleep(0.2)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    before = scores(workspace)
    for path in workspace.checkpoints.glob("tune-*/search-*/*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:20])

    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        result = pool.submit(search, workspace).result()
    after = scores(workspace)

    assert 2 <= len(before) < len(after)
    assert before.items() <= after.items()
    assert result.finished
    assert len(result.trials) == tuning.TUNE["trials"]
    assert sum(len(trial.scores) for trial in result.trials) == len(after)
    assert result.best is result.trials[0]
    # One of three trials is worse than the first two after a fold or two: ASHA stops it.
    assert len(after) < 9

    (parent,), children = trial_runs(workspace)
    assert {run.data.tags[PARENT] for run in children} == {parent.info.run_id}
    assert sorted(run.data.metrics["score"] for run in children) == pytest.approx(
        sorted(trial.mean.mean for trial in result.trials)
    )
    assert {run.info.status for run in (parent, *children)} == {"FINISHED"}
    assert parent.data.metrics["score"] == pytest.approx(result.best.mean.mean)

    # Without a cluster: there is nothing left to train.
    assert search(workspace) == result
    assert scores(workspace) == after
    if result.overlay:
        set_params(workspace.params, overlay_assignments(result.overlay))
        best = load_params(workspace.params).finetune.learning_rate
        assert best == result.best.values["finetune.learning_rate"]


def test_without_data_the_error_says_what_to_type(tmp_path, workspace):
    (workspace.root / "data" / "splits" / "receipt.json").unlink()

    with pytest.raises(Fault, match=r"splits is missing or unfinished\. Type `tonewatch stage split`"):
        tune(workspace, "laptop", tmp_path / "tuned.yaml")


@pytest.mark.parametrize(
    "change",
    ["task=multi_label", "seed=8", "split.salt=another", "encoder.max_tokens=24", "finetune.epochs=2"],
)
def test_scores_of_other_trainings_are_not_taken_for_these(workspace, change):
    def name():
        return folds_name(open_context(workspace, "laptop"))

    before = name()
    assert name() == before

    set_params(workspace.params, [change])

    assert name() != before


def test_a_search_waits_for_no_run(tmp_path, workspace):
    with workspace_lock(workspace.home), pytest.raises(Fault, match="is working on"):
        tune(workspace, "laptop", tmp_path / "tuned.yaml")


def test_a_search_among_trials_that_go_on_from_the_champion_is_refused(workspace):
    set_params(workspace.params, ["finetune.start=champion"])

    with pytest.raises(ConfigError, match=r"the champion has learnt from.*Write `start: encoder`"):
        tune(workspace, "laptop", workspace.root / "tuned.yaml")
