"""What a person may do from the dashboard: sign in, go back to a release or approve one, having seen what that does."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from pipeline.base import logs
from pipeline.base.config import Workspace
from pipeline.base.errors import CandidateRejected, ChampionChanged, UsageError
from pipeline.io.params_file import load_params
from pipeline.io.registry.ledger import Ledger
from pipeline.io.security.sessions import Session, SessionStore
from pipeline.release import promote, reconcile
from pipeline.release.promote import MoveResult

if TYPE_CHECKING:
    from pipeline.core.model.predictor import Predictor

__all__ = [
    "MAX_REASON",
    "ActionKind",
    "Session",
    "SessionStore",
    "perform_action",
    "explain",
    "preview_action",
    "sessions_of",
]

ActionKind = Literal["rollback", "approve"]
MAX_REASON = 500  # characters


def sessions_of(workspace: Workspace) -> SessionStore:
    """Give the sessions of a workspace, kept under `.tonewatch/sessions`."""
    minutes = load_params(workspace.params).serve.dashboard.session_minutes
    return SessionStore(workspace.home / "sessions", workspace.keys, minutes=minutes)


def preview_action(workspace: Workspace, kind: ActionKind, name: str) -> dict[str, Any]:
    """Tell what an act would do, step by step, and change nothing; refused as the act itself would be."""
    if kind == "rollback":
        return promote.preview_move(workspace, name, back=True)
    ledger = Ledger(workspace.ledger)
    document, current = ledger.get(name).document, ledger.current()
    if not document["decision"]["accepted"] or not promote.awaits_approval(workspace, document):
        raise UsageError(f"{name} does not wait for an approval. Look with `tonewatch release list`.")
    if document["champion"] != current:
        raise CandidateRejected(
            f"{name} was judged against {document['champion'] or 'no champion'}, but {current} is in service now."
        )
    followed = reconcile.preview(workspace, document, ledger.get(current).document if current else None)
    first = (
        f"The ledger records who approved {name}, and why.",
        f"The ledger records the move from {current or 'none'} to {name}.",
    )
    return {"from": current, "to": name, "steps": [*first, *followed.done], "pending": list(followed.pending)}


def perform_action(
    workspace: Workspace, kind: ActionKind, name: str, *, expected: str, typed: str, reason: str, actor: str
) -> MoveResult:
    """Do what was foreseen, if the person typed the release's name, said why, and nobody moved the champion meanwhile.

    Raises WrongUse, StaleMove, and whatever the move itself refuses with.
    """
    if typed.strip() != name:
        raise UsageError(f"What you typed is not {name}, so nothing was changed. Type {name} to confirm.")
    if not reason.strip() or len(reason) > MAX_REASON:
        raise UsageError(
            f"Say why, in at most {MAX_REASON} characters; the ledger keeps it. Nothing was changed."
        )
    current = Ledger(workspace.ledger).current()
    if (current or "") != expected:
        raise ChampionChanged(
            f"{current} is in service now and not {expected or 'nothing'} as when you looked. Nothing was changed; look again."
        )
    words = {"actor": actor, "reason": " ".join(reason.split())}
    moved = (
        promote.rollback(workspace, to=name, **words)
        if kind == "rollback"
        else promote.approve(workspace, name, **words)
    )
    logs.get("dashboard").info(kind, release=name, actor=actor)
    return moved


def explain(predictor: "Predictor", text: str, *, most: int) -> dict[str, Any]:
    """Answer a text, and say of its first `most` words what each was worth."""
    from pipeline.core.model.occlusion import explain_by_occlusion

    return asdict(explain_by_occlusion(predictor, text, most=most))
