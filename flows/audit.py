"""The nightly audit: does the record still hold, does everything follow it, and is the journal in order."""

from datetime import UTC, datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows import run_policy
from pipeline.base.config import Workspace
from pipeline.operations import schedule


@flow(name="audit", persist_result=False)
def audit(root: str) -> State[Any]:
    """Verify the releases, repair what follows the ledger, seal and clear the journal, and tell what did not hold."""
    return run_policy.run_if_due("audit", root, _audited)


def _audited(workspace: Workspace) -> str:
    done = schedule.run_audit(workspace, now=datetime.now(UTC))
    held = "Everything holds." if done["found"] is None else str(done["left"] or f"Repaired: {done['found']}")
    doubts = " ".join(("", *done["doubts"]))
    return f"{held} Segments sealed: {done['sealed']}; hours past their retention removed: {len(done['removed'])}.{doubts}"
