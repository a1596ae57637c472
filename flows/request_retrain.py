"""A new training asked for: by an alert or by new labels, once however often it is asked for."""

import hashlib
import os
import re

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.prefect_server import find_server
from pipeline.base.config import Workspace

RETRAIN = "retrain-again"


def deployment_name(workspace: Workspace) -> str:
    """Name the deployments of a workspace, so that several may share one server."""
    readable = re.sub(r"[^A-Za-z0-9-]+", "-", workspace.root.name).strip("-") or "workspace"
    return f"{readable}-{hashlib.sha256(str(workspace.root).encode()).hexdigest()[:8]}"


def request_retrain(workspace: Workspace, why: str, *, day: str) -> str:
    """Ask the schedule for a new training and say what came of it; equal reasons, their numbers aside, make one run a day."""
    by_hand = f"No schedule runs here. Type `tonewatch run --reason '{why}'`, or start one with `tonewatch schedule`."
    if (url := find_server(workspace, os.environ)) is None:
        return by_hand
    # The number of labels grows with every look; it is the same wish.
    key = f"{day} {hashlib.sha256(re.sub(r'[0-9.,%]+', '#', why).encode()).hexdigest()[:16]}"
    with temporary_settings({PREFECT_API_URL: url}), get_client(sync_client=True) as client:
        try:
            deployment = client.read_deployment_by_name(f"{RETRAIN}/{deployment_name(workspace)}")
        except ObjectNotFound:
            return by_hand
        run = client.create_flow_run_from_deployment(
            deployment.id, parameters={"reason": why}, idempotency_key=key
        )
    return f"A new training is asked for ({why}): run {run.name}."
