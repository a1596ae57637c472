"""Search for better parameters: trials over folds on Ray Tune, and the best as an overlay of params.yaml."""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline.base.config import Params, SearchRange, Workspace
from pipeline.base.digests import json_digest
from pipeline.base.errors import ConfigError
from pipeline.base.tasks import answer_form
from pipeline.core.search.trials import SearchPlan, Values
from pipeline.io import files
from pipeline.io.locks import workspace_lock
from pipeline.io.registry.open_registry import open_registry
from pipeline.io.registry.training_curves import MlflowSearch, search_experiment_of
from pipeline.io.security.ray_cluster import RayCluster
from pipeline.operations.retrain import open_context
from pipeline.operations.tuning.fold_texts import divide
from pipeline.operations.tuning.fold_training import WORK, WorkspaceFolds
from pipeline.operations.tuning.overlay import flattened, require_place, write_overlay
from pipeline.operations.tuning.results import Trial, read_trials, remove_damaged
from pipeline.stages.context import StageContext


@dataclass(frozen=True)
class SearchResult:
    """Hold the trials, the best first, the number of folds, and the overlay file if one is better.

    `finished` is false where the time was over before the last trial. `best` is a trial with all folds.
    """

    trials: tuple[Trial, ...]
    folds: int
    finished: bool
    best: Trial | None
    overlay: Path | None


def tune(workspace: Workspace, profile_name: str, out: Path) -> SearchResult:
    """Search the ranges of `tune` for the values with the best mean score over folds; write them to `out`.

    The texts are those of the train and validation splits. A search that was killed, or ran out of time, goes
    on. Raises Fault where there are no data yet, WorkspaceBusy while a run works, UsageError where `out` is
    no place for an overlay.
    """
    require_place(out)
    context = open_context(workspace, profile_name)
    params = context.params
    with workspace_lock(workspace.home):
        search = _Search.of(context)
        finished = search.run()
        trials = read_trials(
            search.folds.folder, search.first, folds=params.tune.folds, confidence=params.evaluate.confidence
        )
    best = next((trial for trial in trials if len(trial.scores) == params.tune.folds), None)
    overlay = None
    if best is not None and not best.is_present:
        overlay = write_overlay(out, best, folds=params.tune.folds)
    mean = best.mean.mean if best and best.mean else None
    search.open_curves().close(best.values if best else {}, mean)
    return SearchResult(tuple(trials), params.tune.folds, finished, best, overlay)


def open_curves(root: Path, key: str) -> MlflowSearch:
    """Open where a search of a workspace can be followed."""
    workspace = Workspace.of(root, os.environ)
    return MlflowSearch(workspace.mlflow, search_experiment_of(open_registry(workspace).name), key)


@dataclass(frozen=True)
class _Search:
    """Hold the folds of a search, the values it begins with, its name, and where it is followed."""

    params: Params
    folds: WorkspaceFolds
    cluster: RayCluster
    first: Values
    key: str
    open_curves: Callable[[], MlflowSearch]

    @classmethod
    def of(cls, context: StageContext) -> "_Search":
        """Write the folds of the present texts, or find them."""
        workspace, params, cfg = context.workspace, context.params, context.params.tune
        # A wrong task, and fewer groups than folds, are refused before anything starts.
        if not answer_form(params.task).one_label:
            raise ConfigError(
                f"`tonewatch tune` compares macro F1 of one label a text, and the task is `{params.task}`. "
                "Write the values into params.yaml by hand, and type `tonewatch run`."
            )
        if params.finetune.start == "champion" or "finetune.start" in cfg.ranges:
            raise ConfigError(
                "`tonewatch tune` scores texts that the champion has learnt from, so no trial can go on from "
                "it. Write `start: encoder` under `finetune` in params.yaml, search, and write it back."
            )
        divide(context.folder("split"), 0, params)
        # Beside the checkpoints of its folds, and removed like them when nobody continues it for long.
        folder = workspace.checkpoints / f"tune-{folds_name(context)}"
        shutil.rmtree(folder / WORK, ignore_errors=True)
        settings = _settings(params)
        first = {key: settings[key] for key in cfg.ranges}
        key = json_digest([folder.name, first, cfg.model_dump(mode="json")])
        cores = min(context.profile.threads, os.cpu_count() or 1)
        alone = {"workers": 0, "threads": max(1, cores // cfg.workers_at_once)}
        return cls(
            params,
            WorkspaceFolds(workspace.root, context.profile.model_copy(update=alone), folder),
            RayCluster(workspace.ray, workspace.ray_token),
            first,
            key,
            partial(open_curves, workspace.root, key),
        )

    def run(self) -> bool:
        """Run what is left of the search; return whether every trial has come to its end."""
        from pipeline.core.search.ray_tuner import search

        finished = self.folds.folder / f"finished-{self.key[:16]}"
        if not remove_damaged(self.folds.folder) and finished.is_file():
            return True
        self.cluster.join()
        plan = self._plan()
        # A search that stopped begins anew on the folds that it has: a killed one may leave half a file here.
        shutil.rmtree(Path(plan.storage) / plan.name, ignore_errors=True)
        if not search(plan, self.folds, self.open_curves, clock=time.monotonic):
            return False
        files.write_bytes(finished, b"")
        return True

    def _plan(self) -> SearchPlan:
        cfg, profile = self.params.tune, self.folds.profile
        return SearchPlan(
            name=f"search-{self.key[:16]}",
            storage=str(self.folds.folder.resolve()),
            ranges=cfg.ranges,
            first=self.first,
            whole=frozenset(key for key, one in cfg.ranges.items() if self._is_whole(key, one)),
            trials=cfg.trials,
            folds=cfg.folds,
            at_once=cfg.workers_at_once,
            seconds=cfg.minutes * 60,
            cores=profile.threads,
            gpus=int(profile.device == "cuda"),
            seed=self.params.seed % 2**32,
        )

    def _is_whole(self, key: str, searched: SearchRange) -> bool:
        """Return whether the key takes whole numbers alone: what is written as 1.0 becomes 1."""
        ends = (_settings(self.params.with_searched({key: end}))[key] for end in searched.ends)
        return all(isinstance(end, int) for end in ends)


def _settings(params: Params) -> dict[str, object]:
    """Return the values of fine-tuning by dotted keys."""
    return flattened(params.finetune.model_dump(mode="json"), "finetune")


def folds_name(context: StageContext) -> str:
    """Return a digest of all that the score of a fold depends on, but for the values that are searched."""
    params = context.params
    inputs = [
        dict(files.verified_receipt(context.folder(stage), made_by=stage).files)
        for stage in ("split", "pretrain")
    ]
    fixed = {key: value for key, value in _settings(params).items() if key not in params.tune.ranges}
    collect = params.collect.model_dump(mode="json", include={"labels", "sources"})
    encoder = params.encoder.model_dump(mode="json")
    folds = [params.task, params.split.model_dump(mode="json"), params.seed, params.tune.folds]
    code = context.training_context("finetune").code
    return json_digest([inputs, fixed, collect, encoder, code, folds])[:16]
