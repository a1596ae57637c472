"""Moves of the champion: verified before anything changes, decided in the ledger, followed by everything else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.base.config import Workspace
from pipeline.base.config.parsing import parse_params
from pipeline.base.errors import CandidateRejected, NothingToRollBack, UsageError
from pipeline.io.locks import workspace_lock
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import ChampionMove, Ledger
from pipeline.release import reconcile as projections
from pipeline.release.smoke_test import smoke_test


@dataclass(frozen=True)
class MoveResult:
    """Hold a move of the champion, and what could not follow it yet."""

    move: ChampionMove
    pending: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Give plain values."""
        return {**self.move.as_dict(), "pending": list(self.pending)}


def release(
    workspace: Workspace, document: Mapping[str, Any], *, actor: str, reason: str
) -> MoveResult | None:
    """Put a judged candidate in service; None when it is there already, and when it waits for a person's approval.

    Raises CandidateRefused with the reasons when the gate said no, and when its answer is no longer about today's champion.
    """
    ledger, name = Ledger(workspace.ledger), str(document["release"])
    _accepted(document)
    current = ledger.current()
    if awaits_approval(workspace, document):
        return None
    if name == current:
        if projections.is_behind(workspace):
            projections.apply(workspace)
        return None
    left = next((move for move in reversed(ledger.moves()) if move.origin == name), None)
    if left:
        raise CandidateRejected(
            f"This candidate is {name}, which served before; {left.actor} moved on to {left.target} at {left.time} ({left.reason}). "
            f"If it is meant to serve again, type `tonewatch release promote {name}`."
        )
    _timely(document, current)
    return _move(workspace, document, expected=current, actor=actor, reason=reason)


def awaits_approval(workspace: Workspace, document: Mapping[str, Any]) -> bool:
    """Say whether a release that is not in service needs a person's approval that nobody has given."""
    ledger, name = Ledger(workspace.ledger), str(document["release"])
    return (
        bool(document["approval"] == "human") and name != ledger.current() and ledger.approval(name) is None
    )


def approve(workspace: Workspace, name: str, *, actor: str, reason: str) -> MoveResult:
    """Record who lets a waiting release serve, and why, and put it in service.

    Raises WrongUse for one that asks for no approval or is in service, CandidateRefused for one the gate refused or
    that was judged against another champion than today's.
    """
    with workspace_lock(workspace.home):
        finish_interrupted_move(workspace)
        ledger = Ledger(workspace.ledger)
        document, current = ledger.get(name).document, ledger.current()
        _accepted(document)
        if name == current:
            raise UsageError(f"{name} is in service already. Look with `tonewatch release list`.")
        if document["approval"] != "human":
            raise UsageError(
                f"{name} asks for no approval (gate.approval was none). Type `tonewatch release promote {name}`."
            )
        _timely(document, current)
        release_files.verified_copy(workspace, document)
        ledger.approve(name, actor=actor, reason=reason)
        return _move(workspace, document, expected=current, actor=actor, reason=reason)


def promote(workspace: Workspace, name: str, *, actor: str, reason: str) -> MoveResult:
    """Put an accepted release in service by its name.

    Raises WrongUse for an unknown one and for the one in service, CandidateRefused for one that was refused or waits.
    """
    with workspace_lock(workspace.home):
        finish_interrupted_move(workspace)
        ledger = Ledger(workspace.ledger)
        document = _promotable(workspace, ledger, name)
        return _move(workspace, document, expected=ledger.current(), actor=actor, reason=reason)


def rollback(workspace: Workspace, *, to: str | None, actor: str, reason: str) -> MoveResult:
    """Go back to the release that served before, or to a named one that ever served; twice returns.

    Raises NothingToRollBack when there is none.
    """
    with workspace_lock(workspace.home):
        finish_interrupted_move(workspace)
        ledger = Ledger(workspace.ledger)
        current, target = ledger.current(), to or ledger.previous()
        document = _earlier(ledger, current, target)
        return _move(workspace, document, expected=current, actor=actor, reason=reason)


def preview_move(workspace: Workspace, name: str | None, *, back: bool) -> dict[str, Any]:
    """Tell what a promotion or a rollback would do, step by step, and change nothing; refused as the move itself would be."""
    ledger = Ledger(workspace.ledger)
    current = ledger.current()
    document = (
        _earlier(ledger, current, name or ledger.previous())
        if back
        else _promotable(workspace, ledger, str(name))
    )
    followed = projections.preview(workspace, document, ledger.get(current).document if current else None)
    first = f"The ledger records the move from {current or 'none'} to {document['release']}."
    return {
        "from": current,
        "to": document["release"],
        "steps": [first, *followed.done],
        "pending": list(followed.pending),
    }


def finish_interrupted_move(workspace: Workspace) -> list[str]:
    """Finish a move that was killed half-way and say how; costs one look at the ledger when there is none."""
    return _told(projections.apply(workspace)) if projections.is_behind(workspace) else []


def reconcile(workspace: Workspace) -> list[str]:
    """Make everything that follows the ledger what it says; gives a sentence for each repair and for each that has to wait."""
    with workspace_lock(workspace.home):
        return _told(projections.apply(workspace))


def show(workspace: Workspace, name: str | None) -> dict[str, Any]:
    """Give the document of a release, by default of the one in service, and its moves."""
    ledger = Ledger(workspace.ledger)
    current = ledger.current()
    if name is None and current is None:
        raise UsageError("No release is in service yet. Make one with `tonewatch run`.")
    found = ledger.get(name or str(current))
    moves = [move.as_dict() for move in ledger.moves() if found.name in (move.origin, move.target)]
    return {**found.document, "in_service": found.name == current, "moves": moves}


def list_moves(workspace: Workspace) -> list[dict[str, Any]]:
    """Give every move of the champion, the newest first."""
    return [move.as_dict() for move in reversed(Ledger(workspace.ledger).moves())]


def _told(followed: projections.ReconcileResult) -> list[str]:
    return [*followed.done, *(f"Pending: {why}" for why in followed.pending)]


def _accepted(document: Mapping[str, Any]) -> None:
    if not document["decision"]["accepted"]:
        reasons = " ".join(document["decision"]["reasons"])
        raise CandidateRejected(
            f"{document['release']} was refused: {reasons} See `tonewatch release show {document['release']}`."
        )


def _promotable(workspace: Workspace, ledger: Ledger, name: str) -> Mapping[str, Any]:
    document = ledger.get(name).document
    _accepted(document)
    if name == ledger.current():
        raise UsageError(f"{name} is in service already. Look with `tonewatch release list`.")
    if awaits_approval(workspace, document):
        raise CandidateRejected(
            f"{name} waits for a person's approval. Type `tonewatch release approve {name} --reason ...`."
        )
    return document


def _timely(document: Mapping[str, Any], current: str | None) -> None:
    if document["champion"] != current:
        raise CandidateRejected(
            f"{document['release']} was judged against {document['champion'] or 'no champion'}, but {current} is in service now. "
            "Type `tonewatch run` to have it judged against that one"
            + (
                f", or `tonewatch release promote {document['release']}` if it is meant all the same."
                if document["approval"] == "none"
                else "."
            )
        )


def _earlier(ledger: Ledger, current: str | None, target: str | None) -> Mapping[str, Any]:
    if target is None:
        served = f"{current} is the first release" if current else "No release is in service yet"
        raise NothingToRollBack(
            f"{served}, so there is nothing to go back to. Look with `tonewatch release list`."
        )
    document = ledger.get(target).document
    if target == current:
        raise UsageError(f"{target} is in service already. Look with `tonewatch release list`.")
    if target not in {move.target for move in ledger.moves()}:
        raise UsageError(
            f"{target} never served, so one cannot go back to it. Type `tonewatch release promote {target}`."
        )
    return document


def _move(
    workspace: Workspace, document: Mapping[str, Any], *, expected: str | None, actor: str, reason: str
) -> MoveResult:
    # Everything that can say no says it before the ledger moves.
    smoke_test(
        release_files.verified_copy(workspace, document),
        parse_params(str(document["params"])).gate.golden_tolerance,
    )
    move = Ledger(workspace.ledger).move(
        expected=expected, target=str(document["release"]), actor=actor, reason=reason
    )
    return MoveResult(move, projections.apply(workspace).pending)
