"""The policy of every scheduled run: it runs only if it is due, and its final state says how it ended."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from pipeline.base import logs
from pipeline.base.config import Workspace
from pipeline.base.config.environment import configure_environment
from pipeline.base.errors import Refusal, WorkspaceBusy
from pipeline.base.private_files import keep_private
from pipeline.operations import schedule

log = logs.get("schedule")


def run_if_due(kind: str, root: str, act: Callable[[Workspace], str]) -> State[str]:
    """Call `act` if the current flow run is due; return its final state, whose message `act` returns.

    A run that is not due or finds the workspace busy ends as Skipped, a refusal as Refused; both states are
    completed ones with the reason. Any other error is alerted and ends as Failed; the next run starts when
    due.
    """
    logs.configure(json=True, debug=False)
    workspace = Workspace.of(Path(root), os.environ)
    configure_environment(workspace, os.environ)
    keep_private(workspace)
    due = flow_run.scheduled_start_time
    with schedule.take_turn(workspace, kind, run=str(flow_run.id), due=due, now=_now()) as skip_reason:
        if skip_reason:
            return _completed(kind, "Skipped", skip_reason)
        log.info("run.started", kind=kind, due=str(due))
        try:
            return _completed(kind, "Completed", act(workspace))
        except WorkspaceBusy as error:
            return _completed(kind, "Skipped", str(error))
        except Refusal as error:
            return _completed(kind, "Refused", str(error))
        except Exception as error:  # Prefect would log the traceback, which may repeat a text
            return Failed(message=schedule.report_failure(workspace, kind, error, now=_now()))


def _completed(kind: str, name: str, message: str) -> State[str]:
    log.info("run.finished", kind=kind, state=name)
    return Completed(name=name, message=message)


def _now() -> datetime:
    return datetime.now(UTC)
