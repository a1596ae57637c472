"""Promote, approve and roll back releases: verify first, then move the ledger, then apply the move."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypedDict

from pipeline.base.config import Workspace
from pipeline.base.config.parsing import parse_params
from pipeline.base.documents import MoveRecord, ReleaseRecord
from pipeline.base.errors import (
    CandidateRejected,
    ChampionChanged,
    NothingToRollBack,
    UsageError,
    WorkspaceBusy,
)
from pipeline.io.locks import workspace_lock
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.ledger_entries import ChampionMove
from pipeline.release import reconcile
from pipeline.release.smoke_test import smoke_test

MovePreview = TypedDict(
    "MovePreview", {"from": str | None, "to": str, "steps": list[str], "pending": list[str]}
)


class MoveResultRecord(MoveRecord):
    """A move, and why some projections do not follow it yet."""

    pending: list[str]


@dataclass(frozen=True)
class MoveResult:
    """A move of the champion, and why some projections do not follow it yet."""

    move: ChampionMove
    pending: tuple[str, ...]

    def as_dict(self) -> MoveResultRecord:
        """Return the move under the ledger's column names, and `pending`."""
        return {**self.move.as_dict(), "pending": list(self.pending)}


@dataclass(frozen=True)
class _LedgerState:
    """The ledger and its moves, read once for a whole command."""

    workspace: Workspace
    ledger: Ledger
    moves: list[ChampionMove]

    @classmethod
    def read(cls, workspace: Workspace) -> "_LedgerState":
        ledger = Ledger(workspace.ledger)
        return cls(workspace, ledger, ledger.moves())

    @property
    def champion(self) -> str | None:
        return self.moves[-1].target if self.moves else None

    @property
    def previous(self) -> str | None:
        return self.moves[-1].origin if self.moves else None

    def champion_record(self) -> ReleaseRecord | None:
        return self.ledger.get(self.champion).record if self.champion else None


def release(workspace: Workspace, candidate: ReleaseRecord, *, actor: str, reason: str) -> MoveResult | None:
    """Promote a judged candidate; return None where it is the champion already or waits for approval.

    Raises CandidateRejected, with the reasons, where the gate rejected it, it served before and was replaced,
    or it was judged against another champion.
    """
    _ensure_accepted(candidate)
    name, state = candidate["release"], _LedgerState.read(workspace)
    if name == state.champion:
        reconcile.finish_interrupted_move(workspace, state.moves)
        return None
    if awaits_approval(workspace, candidate):
        return None
    left = next((move for move in reversed(state.moves) if move.origin == name), None)
    if left:
        raise CandidateRejected(
            f"This candidate is {name}, which served before; {left.actor} replaced it by {left.target} "
            f"at {left.time} ({left.reason}). To serve it again, type `tonewatch release promote {name}`."
        )
    _ensure_judged_against(candidate, state.champion)
    return _move(state, candidate, actor=actor, reason=reason)


def awaits_approval(workspace: Workspace, candidate: ReleaseRecord) -> bool:
    """Return whether a release needs a person's approval before it may serve, and has none."""
    ledger, name = Ledger(workspace.ledger), candidate["release"]
    return candidate["approval"] == "human" and name != ledger.champion() and ledger.approval(name) is None


def approve(workspace: Workspace, name: str, *, actor: str, reason: str) -> MoveResult:
    """Record who approves a waiting release and why, and promote it.

    Raises UsageError where it needs no approval or is the champion, CandidateRejected where the gate rejected
    it or it was judged against another champion.
    """
    with workspace_lock(workspace.home):
        state = _LedgerState.read(workspace)
        reconcile.finish_interrupted_move(workspace, state.moves)
        candidate = state.ledger.get(name).record
        _ensure_accepted(candidate)
        _ensure_not_champion(state, name)
        if candidate["approval"] != "human":
            raise UsageError(
                f"{name} needs no approval (gate.approval was none). Type `tonewatch release promote {name}`."
            )
        _ensure_judged_against(candidate, state.champion)
        release_files.verified_copy(workspace, candidate)
        state.ledger.approve(name, actor=actor, reason=reason)
        return _move(state, candidate, actor=actor, reason=reason)


def promote(workspace: Workspace, name: str, *, actor: str, reason: str) -> MoveResult:
    """Make an accepted release the champion.

    Raises UsageError where it is unknown or the champion, CandidateRejected where it was rejected or needs
    approval.
    """
    with workspace_lock(workspace.home):
        state = _LedgerState.read(workspace)
        reconcile.finish_interrupted_move(workspace, state.moves)
        return _move(state, _promotable(state, name), actor=actor, reason=reason)


def rollback(
    workspace: Workspace, *, to: str | None, actor: str, reason: str, expected: str | None = None
) -> MoveResult:
    """Make the previous champion, or a named earlier one, the champion again; twice returns.

    It does not wait for a run that works on the workspace: the service has the release at once, and data and
    params follow when the run ends. Raises ChampionChanged where the champion is not the `expected` one,
    NothingToRollBack where there is none, UsageError where the named one never served.
    """
    with _work_tree(workspace) as is_free:
        state = _LedgerState.read(workspace)
        if expected is not None and state.champion != expected:
            raise ChampionChanged(
                f"The champion is {state.champion}, no longer {expected}, so nothing was rolled back. "
                "See `tonewatch release list`."
            )
        if is_free:
            reconcile.finish_interrupted_move(workspace, state.moves)
        target = _rollback_target(state, to)
        return _move(state, target, actor=actor, reason=reason, work_tree=is_free)


@contextlib.contextmanager
def _work_tree(workspace: Workspace) -> Iterator[bool]:
    """Lock the workspace for the block where it is free; yield whether it is."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(workspace_lock(workspace.home))
        except WorkspaceBusy:
            yield False
            return
        yield True


def preview_move(workspace: Workspace, name: str | None, *, back: bool) -> MovePreview:
    """Describe a promotion or a rollback step by step, without doing it; raise what the move would raise."""
    state = _LedgerState.read(workspace)
    target = _rollback_target(state, name) if back else _promotable(state, str(name))
    result = reconcile.preview(workspace, target, state.champion_record())
    move = f"The ledger records the move from {state.champion or 'none'} to {target['release']}."
    return {
        "from": state.champion,
        "to": target["release"],
        "steps": [move, *result.done],
        "pending": list(result.pending),
    }


def _ensure_accepted(candidate: ReleaseRecord) -> None:
    if not candidate["decision"]["accepted"]:
        name, reasons = candidate["release"], " ".join(candidate["decision"]["reasons"])
        raise CandidateRejected(f"{name} was rejected: {reasons} See `tonewatch release show {name}`.")


def _ensure_not_champion(state: _LedgerState, name: str) -> None:
    if name == state.champion:
        raise UsageError(f"{name} is the champion already. See `tonewatch release list`.")


def _ensure_judged_against(candidate: ReleaseRecord, champion: str | None) -> None:
    if candidate["champion"] == champion:
        return
    name, other = candidate["release"], candidate["champion"] or "no champion"
    anyway = f", or `tonewatch release promote {name}` to promote it anyway."
    raise CandidateRejected(
        f"{name} was judged against {other}, but the champion is {champion}. "
        f"Type `tonewatch run` to judge it again{anyway if candidate['approval'] == 'none' else '.'}"
    )


def _promotable(state: _LedgerState, name: str) -> ReleaseRecord:
    candidate = state.ledger.get(name).record
    _ensure_accepted(candidate)
    _ensure_not_champion(state, name)
    if awaits_approval(state.workspace, candidate):
        raise CandidateRejected(
            f"{name} waits for approval. Type `tonewatch release approve {name} --reason ...`."
        )
    return candidate


def _rollback_target(state: _LedgerState, name: str | None) -> ReleaseRecord:
    name = name or state.previous
    if name is None:
        champion = state.champion
        reason = f"{champion} is the first release" if champion else "No release is in service yet"
        raise NothingToRollBack(
            f"{reason}, so there is nothing to roll back to. See `tonewatch release list`."
        )
    target = state.ledger.get(name).record
    _ensure_not_champion(state, name)
    if name not in {move.target for move in state.moves}:
        raise UsageError(
            f"{name} never served, so it cannot be rolled back to. Type `tonewatch release promote {name}`."
        )
    return target


def _move(
    state: _LedgerState, target: ReleaseRecord, *, actor: str, reason: str, work_tree: bool = True
) -> MoveResult:
    # Everything that can fail is tried before the ledger moves.
    copy = release_files.verified_copy(state.workspace, target)
    smoke_test(copy, parse_params(target["params"]).gate.golden_tolerance)
    previous = state.champion_record()
    move = state.ledger.move(expected=state.champion, target=target["release"], actor=actor, reason=reason)
    result = reconcile.apply_move(state.workspace, move, target, previous, work_tree=work_tree)
    return MoveResult(move, result.pending)
