"""Requests for a retrain, by an alert or by new labels; equal requests of a day start one run."""

import os
import re
import socket
from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from flows.prefect_server import find_server
from pipeline.base.config import Workspace
from pipeline.base.digests import text_digest

MAX_ATTEMPTS = 8  # of one request on one day
FIRST_RETRY = timedelta(minutes=15)  # after a failed run; each later one waits twice as long
# The flow's name is stored in Prefect databases: under a new one, deployments made before would never run.
SCHEDULED_RETRAIN = "retrain-again"


def deployment_name(workspace: Workspace) -> str:
    """Return the name of the deployments of a workspace on this machine; several can share one server."""
    readable = re.sub(r"[^A-Za-z0-9-]+", "-", workspace.root.name).strip("-") or "workspace"
    # Two machines may have a workspace at the same place; each supervises the runs of its own deployments.
    return f"{readable}-{text_digest(f'{socket.gethostname()} {workspace.root}')[:8]}"


def request_retrain(workspace: Workspace, reason: str, *, day: str) -> str:
    """Request a retrain from the schedule, and return a sentence on what came of it.

    Requests of one day whose reasons differ only in their numbers start one run; where that ended without a
    retrain, a later request starts the next one. Without a schedule the sentence says what to type.
    """
    manual = (
        f"No schedule is running. Type `tonewatch run --reason '{reason}'`, "
        "or start a schedule with `tonewatch schedule`."
    )
    server = find_server(workspace, os.environ)
    if server is None:
        return manual
    # The number of new labels grows with every watch; the request is the same.
    subject = re.sub(r"[0-9.,%]+", "#", reason)
    key = f"{day} {text_digest(subject)[:16]}"
    settings = {PREFECT_API_URL: server.url}
    if server.secret is not None:
        settings[PREFECT_API_AUTH_STRING] = server.secret
    with temporary_settings(settings), get_client(sync_client=True) as client:
        try:
            deployment = client.read_deployment_by_name(f"{SCHEDULED_RETRAIN}/{deployment_name(workspace)}")
        except ObjectNotFound:
            return manual
        for attempt in range(MAX_ATTEMPTS):
            # A known key returns its run instead of a new one.
            run = client.create_flow_run_from_deployment(
                deployment.id, parameters={"reason": reason}, idempotency_key=f"{key}{attempt or ''}"
            )
            failed_at = _failed_at(run)
            if failed_at is None:
                return f"Retrain requested ({reason}): run {run.name}."
            due = failed_at + FIRST_RETRY * 2**attempt
            if datetime.now(UTC) < due:
                return f"Run {run.name} made no retrain; it is requested again after {due:%H:%M} UTC."
    return f"{MAX_ATTEMPTS} runs of today made no retrain. Read their states, then type `tonewatch run`."


def _failed_at(run: FlowRun) -> datetime | None:
    """Return when a run ended without having retrained or judged anything, None for any other run."""
    state = run.state
    if state is None or not state.is_final() or (state.is_completed() and state.name != "Skipped"):
        return None
    return state.timestamp
