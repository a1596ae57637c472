"""How far the alerts have come, so that a pass of the watch that dies loses none and repeats none."""

import dataclasses
from dataclasses import dataclass

from pipeline.base import logs
from pipeline.base.config import Workspace
from pipeline.base.records import Alert
from pipeline.io import files
from pipeline.io.registry.ledger import Ledger
from pipeline.monitoring.auto_rollback import RollbackDecision
from pipeline.monitoring.window_files import window_paths

FILE = "alerted.json"


@dataclass(frozen=True)
class Alerted:
    """Hold what the outbox has the alerts of, and a rollback that was begun.

    `window` is the name of the newest window whose alerts were raised, empty before the first. `rollback` is
    the alert about a rollback, stored before the champion moves, and `after` the move of the ledger that the
    rollback takes back.
    """

    window: str = ""
    rollback: Alert | None = None
    after: int = 0


def read_alerted(workspace: Workspace) -> Alerted:
    """Return how far the alerts have come; at the first use everything on the disk counts as alerted.

    So does everything where the file is damaged, or each old alarm would be raised again.
    """
    names = [path.stem for path in window_paths(workspace)]
    newest = names[-1] if names else ""
    try:
        document = files.read_json(workspace.windows / FILE)
        rollback = document["rollback"] and Alert(**document["rollback"])
        # Windows of a clock that was ahead were set aside meanwhile.
        return Alerted(min(str(document["window"]), newest), rollback, int(document["after"]))
    except FileNotFoundError:
        pass
    except (ValueError, TypeError, KeyError) as error:
        logs.get("watch").warning("alerted.unreadable", error=type(error).__name__)
    alerted = Alerted(newest)
    write_alerted(workspace, alerted)
    return alerted


def write_alerted(workspace: Workspace, alerted: Alerted) -> None:
    """Record how far the alerts have come."""
    files.write_json(workspace.windows / FILE, dataclasses.asdict(alerted))


def record_rollback(workspace: Workspace, alerted: Alerted, decision: RollbackDecision) -> None:
    """Store the alert about a rollback before the champion moves; without a rollback, store nothing."""
    for alert in decision.alerts(rolled_back=True):
        if alert.kind == "rollback" and decision.move:
            after = decision.move.sequence
            write_alerted(workspace, dataclasses.replace(alerted, rollback=alert, after=after))


def unraised_rollback(workspace: Workspace, alerted: Alerted) -> list[Alert]:
    """Return the alert about a rollback after which a pass died; none where the champion did not move."""
    if alerted.rollback is None:
        return []
    later = [move for move in Ledger(workspace.ledger).moves() if move.sequence > alerted.after]
    return [alerted.rollback] if later and later[0].is_rollback else []
