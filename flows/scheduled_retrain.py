"""The line, run by itself: by the calendar, and when an alert or new labels ask for it."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows import run_policy
from flows.retrain import retrain
from pipeline.base.config import Workspace
from pipeline.io.params_file import load_profile
from pipeline.operations.retrain import up_to_date_release
from pipeline.stages.context import StageContext


@flow(name="retrain-again", persist_result=False)
def scheduled_retrain(root: str, profile: str, actor: str, reason: str) -> State[Any]:
    """Run the line if anything has changed since the release in service was made."""

    def act(workspace: Workspace) -> str:
        if document := up_to_date_release(StageContext(workspace, load_profile(profile))):
            return f"Nothing has changed since {document['release']}."
        # Not as a flow of its own: one run, one state, and one process to look after.
        done = retrain.fn(root, profile, actor, reason)
        name = done["document"]["release"]
        return f"{name} waits for a person's approval." if done["waiting"] else f"{name} is in service."

    return run_policy.run_if_due("retrain", root, act)
