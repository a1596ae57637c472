"""The retrain flow as the schedule runs it: by the calendar, and when an alert or new labels request it."""

from prefect import flow
from prefect.client.schemas.objects import State

from flows import run_policy
from flows.request_retrain import SCHEDULED_RETRAIN
from flows.retrain import retrain
from pipeline.base.config import Workspace
from pipeline.operations.retrain import open_context, up_to_date_release


@flow(name=SCHEDULED_RETRAIN, persist_result=False)
def scheduled_retrain(root: str, profile: str, actor: str, reason: str) -> State[str]:
    """Retrain if code, params or sources changed since the champion was trained."""

    def act(workspace: Workspace) -> str:
        champion = up_to_date_release(open_context(workspace, profile))
        if champion:
            return f"{champion['release']} is up to date: no code, params or sources changed."
        # Not as a flow of its own: one run has one state and one process to supervise.
        result = retrain.fn(root, profile, actor, reason)
        name = result["document"]["release"]
        if result["waiting"]:
            return f"{name} is waiting for approval."
        return f"{name} is the champion."

    return run_policy.run_if_due("retrain", root, act)
