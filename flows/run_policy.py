"""What every scheduled run keeps to, whatever it does: it takes its turn or says why not, and ends with a state that tells how."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from pipeline.base import logs
from pipeline.base.config import Workspace
from pipeline.base.config.environment import configure_environment
from pipeline.base.errors import Refusal, WorkspaceBusy
from pipeline.operations import schedule

log = logs.get("schedule")


def run_if_due(kind: str, root: str, act: Callable[[Workspace], str]) -> State[Any]:
    """Do `act` if it is this run's turn; it gives a sentence for whoever looks at the run.

    A run that has no turn ends as Skipped, an honest no as Refused, both with the reason and both completed: nothing is to be
    repaired. A fault is told as an alert, and the run ends as Failed; the next one is made when it is due.
    """
    logs.configure(json=True, debug=False)
    workspace = Workspace.of(Path(root), os.environ)
    configure_environment(workspace, os.environ)
    planned = flow_run.scheduled_start_time
    with schedule.take_turn(workspace, kind, run=str(flow_run.id), due=planned, now=_now()) as why:
        if why:
            return _ended(kind, "Skipped", why)
        log.info("run begins", kind=kind, due=str(planned))
        try:
            return _ended(kind, "Completed", act(workspace))
        except WorkspaceBusy as error:
            return _ended(kind, "Skipped", str(error))
        except Refusal as error:
            return _ended(kind, "Refused", str(error))
        except Exception as error:  # a traceback would repeat what the error holds, so it ends here
            return Failed(message=schedule.report_failure(workspace, kind, error, now=_now()))


def _ended(kind: str, name: str, message: str) -> State[Any]:
    log.info("run ends", kind=kind, state=name)
    return Completed(name=name, message=message)


def _now() -> datetime:
    return datetime.now(UTC)
