"""A rollback that was begun, so that a pass of the watch that dies after it is reported by the next one."""

import dataclasses
from pathlib import Path

from pipeline.base import logs
from pipeline.base.config import Workspace
from pipeline.base.records import Alert
from pipeline.io import files
from pipeline.io.registry.ledger import Ledger
from pipeline.monitoring.auto_rollback import RollbackDecision


def record_rollback(workspace: Workspace, decision: RollbackDecision) -> None:
    """Store the alert about a rollback before the champion moves; without a rollback, store nothing."""
    for alert in decision.alerts(rolled_back=True):
        if alert.kind == "rollback" and decision.move:
            document = {"alert": dataclasses.asdict(alert), "after": decision.move.sequence}
            files.write_json(_path(workspace), document)


def unraised_rollback(workspace: Workspace) -> list[Alert]:
    """Return the alert about a rollback after which a pass died; none where the champion did not move."""
    try:
        document = files.read_json(_path(workspace))
        alert, after = Alert(**document["alert"]), int(document["after"])
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, KeyError) as error:
        logs.get("watch").warning("rollback.unreadable", error=type(error).__name__)
        return []
    later = [move for move in Ledger(workspace.ledger).moves() if move.sequence > after]
    return [alert] if later and later[0].is_rollback else []


def end_rollback(workspace: Workspace) -> None:
    """Forget a rollback whose alert is in the outbox."""
    _path(workspace).unlink(missing_ok=True)


def _path(workspace: Workspace) -> Path:
    return workspace.windows / "rollback.json"
