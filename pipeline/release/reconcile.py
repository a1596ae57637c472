"""Make everything that follows the ledger agree with it: local copy, MLflow's aliases, data, params.yaml.

Each projection is inspected before it is changed, so a preview and the change itself use the same sentences.
A marker holds the last move that was applied on this machine, so the next command finishes a move that was
interrupted.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from pipeline.base.config import Workspace
from pipeline.base.documents import ReleaseRecord
from pipeline.base.errors import Fault, TonewatchError
from pipeline.io import files
from pipeline.io.locks import workspace_lock
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.ledger_entries import ChampionMove
from pipeline.release.projections import PROJECTIONS, ReconcileTarget, params_follow


@dataclass(frozen=True)
class ReconcileResult:
    """Sentences: what was (or would be) changed, what cannot be changed now and why.

    `left` is what stays as it is because another workspace made the champion.
    """

    done: tuple[str, ...]
    pending: tuple[str, ...]
    left: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """Return all in one list."""
        return [*self.done, *self.left, *(f"Pending: {why}" for why in self.pending)]


@dataclass(frozen=True)
class AppliedMove:
    """The last move that was fully applied on this machine; early versions stored its sequence alone.

    `params` is the move that params.yaml followed last: later edits belong to the next run, also while
    something else of the move is pending.
    """

    sequence: int
    time: str = ""
    target: str = ""
    params: int = 0


NOTHING = ReconcileResult((), ())
OUTSIDE_WORK_TREE = ("copy", "aliases")
RUN_IN_PROGRESS = "A run is working on this workspace: data and params.yaml follow when it ends."


def reconcile(workspace: Workspace) -> list[str]:
    """Repair every projection of the ledger; return a sentence for each repair, done or pending."""
    return repair(workspace).sentences()


def repair(workspace: Workspace) -> ReconcileResult:
    """Repair every projection of the ledger, also where the ledger is older than what was applied here."""
    with workspace_lock(workspace.home):
        if Ledger(workspace.ledger).last_move() is None:
            (workspace.home / "followed.json").unlink(missing_ok=True)
        return apply(workspace)


def finish_interrupted_move(workspace: Workspace, moves: list[ChampionMove] | None = None) -> list[str]:
    """Apply the last move where it was interrupted; return a sentence for each change.

    Raises Fault where the ledger is not the one whose moves were applied here.
    """
    moves = Ledger(workspace.ledger).moves() if moves is None else moves
    if fault := ledger_fault(workspace, moves):
        raise Fault(fault)
    return apply(workspace).sentences() if is_behind(workspace, moves) else []


def ledger_fault(workspace: Workspace, moves: list[ChampionMove]) -> str | None:
    """Return why these moves do not continue those that were applied here, None where they do.

    A ledger restored from an older backup, or another one, would silently undo what serves.
    """
    applied = _applied_move(workspace)
    if applied.sequence == 0:
        return None
    last = next((move for move in moves if move.sequence == applied.sequence), None)
    if last is None:
        found = f"ends at move {len(moves)}" if moves else "is empty"
    elif applied.time and (last.time, last.target) != (applied.time, applied.target):
        found = f"has another move {applied.sequence} (to {last.target} at {last.time})"
    else:
        return None
    return (
        f"Move {applied.sequence} was applied to {workspace.root}, but the ledger {found}. It was restored "
        "from an older backup, or TONEWATCH_LEDGER names another one. Restore the right one, or type "
        "`tonewatch release reconcile` to follow this one."
    )


def is_behind(workspace: Workspace, moves: list[ChampionMove] | None = None) -> bool:
    """Return whether the last move was not fully applied on this machine."""
    moves = Ledger(workspace.ledger).moves() if moves is None else moves
    return bool(moves) and _applied_move(workspace).sequence != moves[-1].sequence


def apply(workspace: Workspace) -> ReconcileResult:
    """Make every projection agree with the last move; one that fails now does not stop the others."""
    last = _last_move(workspace)
    return apply_move(workspace, *last) if last else NOTHING


def apply_move(
    workspace: Workspace,
    move: ChampionMove,
    champion: ReleaseRecord,
    previous: ReleaseRecord | None,
    *,
    work_tree: bool = True,
) -> ReconcileResult:
    """Apply a move whose releases were read already; without `work_tree` data and params stay as they are."""
    applied = _applied_move(workspace)
    target = _target(applied, move, champion, previous)
    if not work_tree:
        result = _walk(workspace, target, act=True, names=OUTSIDE_WORK_TREE)
        return replace(result, pending=(*result.pending, RUN_IN_PROGRESS))
    result = _walk(workspace, target, act=True)
    if not result.pending:
        applied = AppliedMove(move.sequence, move.time, move.target)
    if params_follow(workspace, champion):
        applied = replace(applied, params=move.sequence)
    files.write_json(workspace.home / "followed.json", asdict(applied))
    return result


def diff(workspace: Workspace) -> ReconcileResult:
    """Return what does not agree with the ledger, without changing it."""
    last = _last_move(workspace)
    return _walk(workspace, _target(_applied_move(workspace), *last), act=False) if last else NOTHING


def difference(workspace: Workspace, projection: str) -> str | None:
    """Return how one projection (a key of PROJECTIONS) differs from the ledger, None where it agrees.

    Raises TonewatchError where that cannot be known, or the projection cannot follow now.
    """
    last = _last_move(workspace)
    if last is None:
        return None
    step = PROJECTIONS[projection](workspace, _target(_applied_move(workspace), *last))
    return step.sentence if step and step.act else None


def preview(workspace: Workspace, champion: ReleaseRecord, previous: ReleaseRecord | None) -> ReconcileResult:
    """Return what would change if this release became the champion, without changing it."""
    return _walk(workspace, ReconcileTarget(champion, previous, moved=True, params_due=True), act=False)


def _last_move(workspace: Workspace) -> tuple[ChampionMove, ReleaseRecord, ReleaseRecord | None] | None:
    """Read the last move and the records of its target and its origin; None before the first move."""
    ledger = Ledger(workspace.ledger)
    move = ledger.last_move()
    if move is None:
        return None
    previous = ledger.get(move.origin).record if move.origin else None
    return move, ledger.get(move.target).record, previous


def _target(
    applied: AppliedMove, move: ChampionMove, champion: ReleaseRecord, previous: ReleaseRecord | None
) -> ReconcileTarget:
    # Early versions stored the sequence alone. Equal numbers of another ledger are another move.
    applied_move = (applied.time or move.time, applied.target or move.target)
    is_other = applied.sequence == move.sequence and applied_move != (move.time, move.target)
    moved = applied.sequence != move.sequence or is_other
    params_due = moved and (is_other or applied.params != move.sequence)
    return ReconcileTarget(champion, previous, moved, params_due=params_due)


def _walk(
    workspace: Workspace,
    target: ReconcileTarget,
    *,
    act: bool,
    names: Iterable[str] = PROJECTIONS,
) -> ReconcileResult:
    done: list[str] = []
    pending: list[str] = []
    left: list[str] = []
    for inspect in (PROJECTIONS[name] for name in names):
        try:
            step = inspect(workspace, target)
            if step and step.act and act:
                step.act()
        except TonewatchError as error:
            pending.append(str(error))
        else:
            if step:
                (done if step.act else left).append(step.sentence)
    return ReconcileResult(tuple(done), tuple(pending), tuple(left))


def _applied_move(workspace: Workspace) -> AppliedMove:
    """Return the last move that was fully applied on this machine, number 0 before the first."""
    marker = workspace.home / "followed.json"
    return AppliedMove(**files.read_json(marker)) if marker.is_file() else AppliedMove(0)
