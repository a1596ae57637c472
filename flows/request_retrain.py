"""Requests for a retrain, by an alert or by new labels; equal requests of a day start one run."""

import os
import re

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.prefect_server import find_server_url
from pipeline.base.config import Workspace
from pipeline.base.digests import text_digest

# The flow's name is stored in Prefect databases: under a new one, deployments made before would never run.
SCHEDULED_RETRAIN = "retrain-again"


def deployment_name(workspace: Workspace) -> str:
    """Return the name of the deployments of a workspace, so that several workspaces can share one server."""
    readable = re.sub(r"[^A-Za-z0-9-]+", "-", workspace.root.name).strip("-") or "workspace"
    return f"{readable}-{text_digest(str(workspace.root))[:8]}"


def request_retrain(workspace: Workspace, reason: str, *, day: str) -> str:
    """Request a retrain from the schedule, and return a sentence on what came of it.

    Requests of one day whose reasons differ only in their numbers start one run. Without a schedule the
    sentence says what to type.
    """
    manual = (
        f"No schedule is running. Type `tonewatch run --reason '{reason}'`, "
        "or start a schedule with `tonewatch schedule`."
    )
    url = find_server_url(workspace, os.environ)
    if url is None:
        return manual
    # The number of new labels grows with every watch; the request is the same.
    subject = re.sub(r"[0-9.,%]+", "#", reason)
    key = f"{day} {text_digest(subject)[:16]}"
    with temporary_settings({PREFECT_API_URL: url}), get_client(sync_client=True) as client:
        try:
            deployment = client.read_deployment_by_name(f"{SCHEDULED_RETRAIN}/{deployment_name(workspace)}")
        except ObjectNotFound:
            return manual
        run = client.create_flow_run_from_deployment(
            deployment.id, parameters={"reason": reason}, idempotency_key=key
        )
    return f"Retrain requested ({reason}): run {run.name}."
