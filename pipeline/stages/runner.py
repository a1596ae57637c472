"""Run one stage of the table; its module is imported only then."""

import importlib
import time

from pipeline.base import logs
from pipeline.base.records import Receipt
from pipeline.stages.context import StageContext
from pipeline.stages.table import find_stage

log = logs.get("stages")


def run_stage(context: StageContext, name: str) -> Receipt:
    """Run one stage, even where DVC would skip it, and return its receipt.

    Raises UsageError for an unknown name.
    """
    stage = find_stage(name)
    started = time.monotonic()
    log.info("stage.started", stage=name)
    receipt: Receipt = importlib.import_module(stage.module).run(context)
    log.info("stage.finished", stage=name, seconds=round(time.monotonic() - started, 1))
    return receipt
