"""What a person may do from the dashboard: sign in, go back to a release or approve one, having seen what that does."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from pipeline.base import logs
from pipeline.base.config import Places
from pipeline.base.errors import CandidateRefused, StaleMove, WrongUse
from pipeline.io.params_file import load_params
from pipeline.io.registry.ledger import Ledger
from pipeline.io.security.sessions import Session, Sessions
from pipeline.release import promote, reconcile
from pipeline.release.promote import Moved

if TYPE_CHECKING:
    from pipeline.core.model.predictor import Predictor

__all__ = ["MOST_REASON", "Act", "Session", "Sessions", "act", "explain", "foreseen", "sessions_of"]

Act = Literal["rollback", "approve"]
MOST_REASON = 500  # characters


def sessions_of(places: Places) -> Sessions:
    """Give the sessions of a workspace, kept under `.tonewatch/sessions`."""
    minutes = load_params(places.params).serve.dashboard.session_minutes
    return Sessions(places.home / "sessions", places.keys, minutes=minutes)


def foreseen(places: Places, kind: Act, name: str) -> dict[str, Any]:
    """Tell what an act would do, step by step, and change nothing; refused as the act itself would be."""
    if kind == "rollback":
        return promote.foresee(places, name, back=True)
    ledger = Ledger(places.ledger)
    document, current = ledger.get(name).document, ledger.current()
    if not document["decision"]["accepted"] or not promote.waits(places, document):
        raise WrongUse(f"{name} does not wait for an approval. Look with `tonewatch release list`.")
    if document["champion"] != current:
        raise CandidateRefused(f"{name} was judged against {document['champion'] or 'no champion'}, but {current} is in service now.")
    followed = reconcile.foreseen(places, document, ledger.get(current).document if current else None)
    first = (f"The ledger records who approved {name}, and why.", f"The ledger records the move from {current or 'none'} to {name}.")
    return {"from": current, "to": name, "steps": [*first, *followed.done], "pending": list(followed.pending)}


def act(places: Places, kind: Act, name: str, *, expected: str, typed: str, reason: str, actor: str) -> Moved:
    """Do what was foreseen, if the person typed the release's name, said why, and nobody moved the champion meanwhile.

    Raises WrongUse, StaleMove, and whatever the move itself refuses with.
    """
    if typed.strip() != name:
        raise WrongUse(f"What you typed is not {name}, so nothing was changed. Type {name} to confirm.")
    if not reason.strip() or len(reason) > MOST_REASON:
        raise WrongUse(f"Say why, in at most {MOST_REASON} characters; the ledger keeps it. Nothing was changed.")
    current = Ledger(places.ledger).current()
    if (current or "") != expected:
        raise StaleMove(f"{current} is in service now and not {expected or 'nothing'} as when you looked. Nothing was changed; look again.")
    words = {"actor": actor, "reason": " ".join(reason.split())}
    moved = promote.rollback(places, to=name, **words) if kind == "rollback" else promote.approve(places, name, **words)
    logs.get("dashboard").info(kind, release=name, actor=actor)
    return moved


def explain(predictor: "Predictor", text: str, *, most: int) -> dict[str, Any]:
    """Answer a text, and say of its first `most` words what each was worth."""
    from pipeline.core.model.occlusion import occlude

    return asdict(occlude(predictor, text, most=most))
