"""The nightly audit flow: verify the releases, repair what follows the ledger, put the journal in order."""

from datetime import UTC, datetime

from prefect import flow
from prefect.client.schemas.objects import State

from flows import run_policy
from pipeline.base.config import Workspace
from pipeline.operations.audit import run_audit


@flow(name="audit", persist_result=False)
def audit(root: str) -> State[str]:
    """Run the audit and complete with a sentence on what it found."""
    return run_policy.run_if_due("audit", root, _audit)


def _audit(workspace: Workspace) -> str:
    result = run_audit(workspace, now=datetime.now(UTC))
    verdict = "All releases verified."
    if result.fault:
        verdict = result.remaining or f"Repaired: {result.fault}"
    counts = f"Segments sealed: {result.sealed}; hours past their retention removed: {len(result.removed)}."
    return " ".join([verdict, counts, *result.doubts])
