"""The nightly audit: verify the releases, repair what follows the ledger, put the journal in order."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.base import logs, times
from pipeline.base.config import Workspace
from pipeline.base.errors import DigestMismatch, WorkspaceBusy
from pipeline.base.records import Alert
from pipeline.io import checkpoints, locks
from pipeline.io.journal.journal import Journal
from pipeline.io.params_file import load_params
from pipeline.operations import schedule
from pipeline.release import reconcile
from pipeline.release.verify import verify_releases

log = logs.get("schedule")


@dataclass(frozen=True)
class AuditResult:
    """Hold what an audit found and did.

    `fault` is the first fault of the releases, `remaining` the fault that the repair left, None where there
    is none.
    `sealed` counts journal files that were imported or whose log was merged, `removed` names journal hours,
    `doubts` say why old hours are kept.
    """

    fault: str | None
    repaired: tuple[str, ...]
    remaining: str | None
    sealed: int
    removed: tuple[str, ...]
    doubts: tuple[str, ...]
    checkpoints_removed: tuple[str, ...]
    alerts: tuple[str, ...]


def run_audit(workspace: Workspace, *, now: datetime) -> AuditResult:
    """Verify releases, repair what follows the ledger, put the journal in order, alert on a fault."""
    fault = _release_fault(workspace)
    repaired = _reconcile(workspace)
    remaining = _release_fault(workspace) if fault else None
    params = load_params(workspace.params)
    journal = Journal(workspace.journal, retention_days=params.serve.journal.retention_days)
    sealed, retention = journal.seal(), journal.retain(now)
    journal.close()
    alerts = _alert_on(workspace, fault, remaining, now) if fault else []
    log.info(
        "audit.finished",
        passed=fault is None,
        repaired=len(repaired),
        sealed=sealed,
        removed=len(retention.removed),
    )
    oldest = now - timedelta(days=params.schedule.keep_checkpoints_days)
    return AuditResult(
        fault=fault,
        repaired=tuple(repaired),
        remaining=remaining,
        sealed=sealed,
        removed=retention.removed,
        doubts=retention.reasons,
        checkpoints_removed=tuple(_sweep_checkpoints(workspace, oldest)),
        alerts=tuple(alert.title for alert in alerts),
    )


def _alert_on(workspace: Workspace, fault: str, remaining: str | None, now: datetime) -> list[Alert]:
    title = "Release records failed verification" if remaining else "Release records were repaired"
    alert = Alert("integrity", "integrity", "all", times.format_seconds(now), title, remaining or fault)
    return schedule.raise_and_send(workspace, [alert], now=now)


def _sweep_checkpoints(workspace: Workspace, before: datetime) -> list[str]:
    try:
        with locks.workspace_lock(workspace.home):
            removed, fault = checkpoints.sweep_checkpoints(
                workspace.checkpoints, before=before.timestamp(), store=workspace.training_store
            )
    except WorkspaceBusy:
        # A running training may resume from these files; the next audit removes them.
        return []
    if fault:
        log.warning("checkpoints.kept", why=fault)
    return removed


def _release_fault(workspace: Workspace) -> str | None:
    try:
        verify_releases(workspace, None)
    except DigestMismatch as error:
        return str(error)
    return None


def _reconcile(workspace: Workspace) -> list[str]:
    try:
        return reconcile.reconcile(workspace)
    except WorkspaceBusy:
        # Whoever holds the workspace reconciles before it begins.
        return []
