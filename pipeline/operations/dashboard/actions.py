"""Actions on the dashboard: sign in, roll back or approve a release after a preview, explain a prediction."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pipeline.base import logs
from pipeline.base.config import Workspace
from pipeline.base.errors import CandidateRejected, ChampionChanged, UsageError
from pipeline.inference.explain import explain, method_named
from pipeline.io.params_file import load_params
from pipeline.io.registry.ledger import Ledger
from pipeline.io.security.sessions import Session, SessionStore
from pipeline.io.workspace_id import workspace_identity
from pipeline.release import promote, reconcile
from pipeline.release.promote import MovePreview, MoveResult

if TYPE_CHECKING:
    from pipeline.core.explain.occlusion import Explanation

__all__ = [
    "MAX_REASON",
    "ActionKind",
    "Confirmation",
    "Explanation",
    "Session",
    "SessionStore",
    "explain",
    "method_named",
    "open_sessions",
    "perform_action",
    "preview_action",
]

ActionKind = Literal["rollback", "approve"]
MAX_REASON = 500  # characters


@dataclass(frozen=True)
class Confirmation:
    """Hold what a person confirmed: a release, its name as typed, the champion shown, a reason, and who."""

    release: str
    typed: str
    expected_champion: str
    reason: str
    actor: str


def open_sessions(workspace: Workspace) -> SessionStore:
    """Open the store of a workspace's sessions, in `.tonewatch/sessions`."""
    minutes = load_params(workspace.params).serve.dashboard.session_minutes
    return SessionStore(
        workspace.home / "sessions",
        workspace.keys,
        minutes=minutes,
        workspace_id=workspace_identity(workspace).id,
    )


def preview_action(workspace: Workspace, kind: ActionKind, name: str) -> MovePreview:
    """Return what an action would do, without doing it: keys from, to, steps, pending (lists of sentences).

    Raises what the action itself would raise.
    """
    if kind == "rollback":
        return promote.preview_move(workspace, name, back=True)
    ledger = Ledger(workspace.ledger)
    record, champion = ledger.get(name).record, ledger.champion()
    if not record["decision"]["accepted"] or not promote.awaits_approval(workspace, record):
        raise UsageError(f"{name} does not wait for approval. Type `tonewatch release list`.")
    if record["champion"] != champion:
        raise CandidateRejected(
            f"{name} was judged against {record['champion'] or 'no champion'}, "
            f"but the champion is {champion}."
        )
    outcome = reconcile.preview(workspace, record, ledger.get(champion).record if champion else None)
    steps = [
        f"The ledger records who approved {name}, and why.",
        f"The ledger records the move from {champion or 'none'} to {name}.",
        *outcome.done,
    ]
    return {"from": champion, "to": name, "steps": steps, "pending": list(outcome.pending)}


def perform_action(workspace: Workspace, kind: ActionKind, confirmed: Confirmation) -> MoveResult:
    """Move the champion as previewed.

    Raises UsageError when the typed name or the reason is missing, ChampionChanged when the champion is not
    the one that was shown, and what the move itself raises.
    """
    name = confirmed.release
    if confirmed.typed.strip() != name:
        raise UsageError(f"The name you typed is not {name}. Nothing was changed; type {name} to confirm.")
    if not confirmed.reason.strip() or len(confirmed.reason) > MAX_REASON:
        raise UsageError(f"Enter a reason of at most {MAX_REASON} characters. Nothing was changed.")
    champion = Ledger(workspace.ledger).champion()
    if (champion or "") != confirmed.expected_champion:
        raise ChampionChanged(
            f"The champion is now {champion}, no longer {confirmed.expected_champion or 'none'}. "
            "Nothing was changed; reload the page."
        )
    reason = " ".join(confirmed.reason.split())
    if kind == "rollback":
        result = promote.rollback(workspace, to=name, actor=confirmed.actor, reason=reason, expected=champion)
    else:
        result = promote.approve(workspace, name, actor=confirmed.actor, reason=reason)
    logs.get("dashboard").info(f"dashboard.{kind}", release=name, actor=confirmed.actor)
    return result
