"""The line, run by itself: by the calendar, and when an alert or new labels ask for it."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows import runs
from flows.retrain import retrain
from pipeline.base.config import Places, load_profile
from pipeline.stages import Setting
from pipeline.stages.standing import standing


@flow(name="retrain-again", persist_result=False)
def retrain_again(root: str, profile: str, actor: str, reason: str) -> State[Any]:
    """Run the line if anything has changed since the release in service was made."""

    def act(places: Places) -> str:
        if document := standing(Setting(places, load_profile(profile))):
            return f"Nothing has changed since {document['release']}."
        # Not as a flow of its own: one run, one state, and one process to look after.
        done = retrain.fn(root, profile, actor, reason)
        name = done["document"]["release"]
        return f"{name} waits for a person's approval." if done["waiting"] else f"{name} is in service."

    return runs.due("retrain", root, act)
