"""The hourly watch flow: report each window that has ended, and request a retrain if one is due."""

from prefect import flow
from prefect.client.schemas.objects import State

from flows import run_policy
from flows.request_retrain import request_retrain
from pipeline.base.config import Workspace
from pipeline.monitoring.watch import run_watch


@flow(name="watch", persist_result=False)
def watch(root: str, actor: str) -> State[str]:
    """Run the watch, and request the retrain that it recommends."""

    def act(workspace: Workspace) -> str:
        summary = run_watch(workspace, actor=actor)
        message = f"Windows: {len(summary['windows'])}. Alerts: {', '.join(summary['alerts']) or 'none'}."
        if summary["retrain"]:
            message += f" {request_retrain(workspace, summary['retrain'], day=summary['now'][:10])}"
        return message

    return run_policy.run_if_due("watch", root, act)
