"""Run one stage of the table; nothing heavy is imported until then."""

import importlib
import time

from pipeline.base import logs
from pipeline.base.records import Receipt
from pipeline.stages.context import StageContext
from pipeline.stages.table import find_stage

log = logs.get("stages")


def run_stage(context: StageContext, name: str) -> Receipt:
    """Run one stage, whatever DVC has recorded of it, and return its receipt.

    Raises WrongUse for a name that is no stage.
    """
    stage = find_stage(name)
    started = time.monotonic()
    log.info("stage.started", stage=name)
    receipt: Receipt = importlib.import_module(stage.module).run(context)
    log.info("stage.finished", stage=name, seconds=round(time.monotonic() - started, 1))
    return receipt
