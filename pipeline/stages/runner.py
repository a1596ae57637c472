"""Run a stage, or skip an unchanged one: pinned data stay, and DVC records only what ran."""

import importlib
import time
from dataclasses import dataclass

from pipeline.base import logs
from pipeline.base.config import NEWEST
from pipeline.base.errors import UsageError
from pipeline.base.records import Receipt
from pipeline.io import files
from pipeline.io.params_file import load_params
from pipeline.io.training.stage_costs import StageCost, StageCosts
from pipeline.stages.context import StageContext
from pipeline.stages.table import find_stage

log = logs.get("stages")
ALWAYS_RUN = ("identity",)
DATA_STAGES = ("collect", "clean", "validate", "split")


@dataclass(frozen=True)
class StageOutcome:
    """Hold the receipt of a stage and whether it ran or was skipped as unchanged."""

    receipt: Receipt
    ran: bool


def run_if_changed(context: StageContext, name: str) -> StageOutcome:
    """Run a stage unless it ran before on the same inputs, and record the run in DVC."""
    if name == "finetune" and context.params.finetune.start == "champion":
        # Which release it goes on from depends on the split, and that of today was not there before.
        run_if_changed(context, "identity")
    if name in DATA_STAGES and context.params.data.version != NEWEST:
        log.info("stage.pinned", stage=name, data_version=context.params.data.version)
    elif name in ALWAYS_RUN or not (context.dvc_cache.unchanged(name) or context.dvc_cache.restored(name)):
        receipt = run_stage(context, name)
        ensure_params_unchanged(context)
        context.dvc_cache.commit(name)
        return StageOutcome(receipt, ran=name not in ALWAYS_RUN)
    else:
        log.info("stage.unchanged", stage=name)
    return StageOutcome(files.read_receipt(context.folder(name)), ran=False)


def run_stage(context: StageContext, name: str) -> Receipt:
    """Run one stage, even where DVC would skip it, and return its receipt.

    Raises UsageError for an unknown name.
    """
    stage = find_stage(name)
    started = time.monotonic()
    log.info("stage.started", stage=name)
    # Imported only now: a stage's libraries are heavy.
    receipt: Receipt = importlib.import_module(stage.module).run(context)
    seconds = time.monotonic() - started
    cores = max(context.profile.threads, context.profile.workers)
    StageCosts(context.workspace.home).keep(receipt, StageCost(round(seconds, 1), cores))
    log.info("stage.finished", stage=name, seconds=round(seconds, 1))
    return receipt


def ensure_params_unchanged(context: StageContext) -> None:
    """Raise UsageError when params.yaml changed during the run: DVC would record params that did not run."""
    path = context.workspace.params
    if load_params(path) != context.params:
        raise UsageError(
            f"{path} changed during the run. Completed stages are kept; type `tonewatch run` again."
        )
