"""What the service does for its journal beside writing it: the retention, and an alert when it fails."""

from datetime import datetime

from pipeline.base import logs, times
from pipeline.base.config import Workspace
from pipeline.base.errors import TonewatchError
from pipeline.base.records import Alert
from pipeline.io.journal.journal import Journal
from pipeline.operations.schedule import raise_and_send

log = logs.get("journal")


def retain(journal: Journal, now: datetime) -> bool:
    """Remove what is past its retention; return whether that worked. What fails is logged."""
    try:
        report = journal.retain(now)
    except (TonewatchError, OSError) as error:
        log.warning("retention.failed", why=str(error))
        return False
    log.info("retention.applied", removed=len(report.removed), kept=report.kept)
    for reason in report.reasons:
        log.warning("retention.doubtful", why=reason)
    return True


def report_unwritable(workspace: Workspace, reason: str, now: datetime) -> None:
    """Raise and send an alert that predictions are not recorded, once in a quiet period."""
    alert = Alert(
        key="journal",
        kind="integrity",
        topic="all",
        time=times.format_seconds(now),
        title="The journal cannot be written",
        message=f"{reason} Until then predictions are not monitored, and feedback on them is refused.",
    )
    try:
        raise_and_send(workspace, [alert], now=now)
    except (TonewatchError, OSError) as error:
        # The outbox lies on the same disk; the metric and the log have it too.
        log.error("alert.not_raised", key=alert.key, why=str(error))
