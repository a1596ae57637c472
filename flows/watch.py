"""The hourly watch: every window that has ended, whom to tell, and whether a new training is due."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows import run_policy
from flows.request_retrain import request_retrain
from pipeline.base.config import Workspace
from pipeline.monitoring import watch as watching


@flow(name="watch", persist_result=False)
def watch(root: str, actor: str) -> State[Any]:
    """Watch the windows that have ended, and ask for a new training if they call for one."""

    def act(workspace: Workspace) -> str:
        seen = watching.run_watch(workspace, actor=actor)
        told = f"Windows: {len(seen['windows'])}. Alerts: {', '.join(seen['alerts']) or 'none'}."
        if why := seen["retrain"]:
            told += f" {request_retrain(workspace, why, day=seen['now'][:10])}"
        return told

    return run_policy.run_if_due("watch", root, act)
