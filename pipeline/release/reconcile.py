"""Make everything that follows the ledger agree with it: local copy, MLflow's aliases, data, params.yaml.

Each projection is inspected before it is changed, so a preview and the change itself use the same sentences.
A marker holds the last move that was applied on this machine, so the next command finishes a move that was
interrupted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.base.config import OPERATIONAL_SECTIONS, Workspace
from pipeline.base.config.parsing import keep_operational_sections, parse_params
from pipeline.base.documents import ReleaseRecord
from pipeline.base.errors import ConfigError, TonewatchError
from pipeline.io import files
from pipeline.io.locks import workspace_lock
from pipeline.io.params_file import load_params
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.ledger_entries import ChampionMove
from pipeline.io.registry.mlflow_models import ModelRegistry
from pipeline.release.judge import read_lock


@dataclass(frozen=True)
class Step:
    """One change of a projection, and the sentence that describes it."""

    sentence: str
    act: Callable[[], object]


@dataclass(frozen=True)
class ReconcileResult:
    """Sentences: what was (or would be) changed, and what cannot be changed now and why."""

    done: tuple[str, ...]
    pending: tuple[str, ...]

    def sentences(self) -> list[str]:
        """Return both in one list."""
        return [*self.done, *(f"Pending: {why}" for why in self.pending)]


NOTHING = ReconcileResult((), ())
RUN_IN_PROGRESS = "A run is working on this workspace: data and params.yaml follow when it ends."


@dataclass(frozen=True)
class ReconcileTarget:
    """What the projections must agree with; `moved` is whether the move is new to this machine."""

    champion: ReleaseRecord
    previous: ReleaseRecord | None
    moved: bool


def reconcile(workspace: Workspace) -> list[str]:
    """Repair every projection of the ledger; return a sentence for each repair, done or pending."""
    with workspace_lock(workspace.home):
        return apply(workspace).sentences()


def finish_interrupted_move(workspace: Workspace, moves: list[ChampionMove] | None = None) -> list[str]:
    """Apply the last move where it was interrupted; return a sentence for each change."""
    return apply(workspace).sentences() if is_behind(workspace, moves) else []


def is_behind(workspace: Workspace, moves: list[ChampionMove] | None = None) -> bool:
    """Return whether the last move was not fully applied on this machine."""
    moves = Ledger(workspace.ledger).moves() if moves is None else moves
    return bool(moves) and _applied(workspace) != moves[-1].sequence


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
    target = _target(workspace, move, champion, previous)
    if not work_tree:
        result = _walk(workspace, target, act=True, inspections=OUTSIDE_WORK_TREE)
        return ReconcileResult(result.done, (*result.pending, RUN_IN_PROGRESS))
    result = _walk(workspace, target, act=True)
    if not result.pending:
        files.write_json(workspace.home / "followed.json", {"sequence": move.sequence})
    return result


def diff(workspace: Workspace) -> ReconcileResult:
    """Return what does not agree with the ledger, without changing it."""
    last = _last_move(workspace)
    return _walk(workspace, _target(workspace, *last), act=False) if last else NOTHING


def preview(workspace: Workspace, champion: ReleaseRecord, previous: ReleaseRecord | None) -> ReconcileResult:
    """Return what would change if this release became the champion, without changing it."""
    return _walk(workspace, ReconcileTarget(champion, previous, moved=True), act=False)


def _last_move(workspace: Workspace) -> tuple[ChampionMove, ReleaseRecord, ReleaseRecord | None] | None:
    """Read the last move and the records of its target and its origin; None before the first move."""
    ledger = Ledger(workspace.ledger)
    move = ledger.last_move()
    if move is None:
        return None
    previous = ledger.get(move.origin).record if move.origin else None
    return move, ledger.get(move.target).record, previous


def _target(
    workspace: Workspace, move: ChampionMove, champion: ReleaseRecord, previous: ReleaseRecord | None
) -> ReconcileTarget:
    return ReconcileTarget(champion, previous, moved=_applied(workspace) != move.sequence)


def _walk(
    workspace: Workspace,
    target: ReconcileTarget,
    *,
    act: bool,
    inspections: Sequence["Inspection"] | None = None,
) -> ReconcileResult:
    done: list[str] = []
    pending: list[str] = []
    for inspect in inspections or (*OUTSIDE_WORK_TREE, _data, _params):
        try:
            step = inspect(workspace, target)
            if step and act:
                step.act()
        except TonewatchError as error:
            pending.append(str(error))
        else:
            done += [step.sentence] if step else []
    return ReconcileResult(tuple(done), tuple(pending))


def _applied(workspace: Workspace) -> int:
    """Return the sequence of the last move that was fully applied on this machine, 0 before the first."""
    marker = workspace.home / "followed.json"
    return int(files.read_json(marker)["sequence"]) if marker.is_file() else 0


def _local_copy(workspace: Workspace, target: ReconcileTarget) -> Step | None:
    if release_files.copy_is_intact(workspace, target.champion):
        return None
    return Step(
        f"The local copy of {target.champion['release']} is fetched from MLflow.",
        lambda: release_files.verified_copy(workspace, target.champion),
    )


def _aliases(workspace: Workspace, target: ReconcileTarget) -> Step | None:
    registry = ModelRegistry(workspace.mlflow)
    wanted = {"champion": target.champion["model_version"]}
    if target.previous:
        wanted["previous"] = target.previous["model_version"]
    aliases = registry.aliases()
    if aliases == wanted:
        return None
    sentence = f"The aliases in MLflow change from {_spelled(aliases)} to {_spelled(wanted)}."
    return Step(sentence, lambda: registry.project(wanted["champion"], wanted.get("previous")))


def _data(workspace: Workspace, target: ReconcileTarget) -> Step | None:
    lock = target.champion["lock"]
    if not lock:
        return None
    from pipeline.io.versioning.data_branch import holds_lock, restore_lock

    # Equal text is not enough: a process may die between writing the lock and restoring the folders.
    if lock == read_lock(workspace) and holds_lock(workspace.root, lock):
        return None
    if not target.moved and _holds_waiting_candidate(workspace):
        return None
    release, version = target.champion["release"], target.champion["data_version"]
    sentence = f"dvc.lock and the data become those of {release} ({version})."
    return Step(sentence, lambda: restore_lock(workspace.root, lock))


def _holds_waiting_candidate(workspace: Workspace) -> bool:
    """Return whether the working tree holds a rejected or waiting candidate, where the next run starts."""
    ledger, lock = Ledger(workspace.ledger), read_lock(workspace)
    served = {move.target for move in ledger.moves()}
    return any(release.record["lock"] == lock for release in ledger.releases() if release.name not in served)


def _params(workspace: Workspace, target: ReconcileTarget) -> Step | None:
    # Only with a move: later edits of params.yaml belong to the next run.
    if not target.moved or _equal_params(workspace, target.champion):
        return None
    name = target.champion["release"]
    backup = workspace.home / "params" / f"before-{name}.yaml"

    def act() -> None:
        files.write_bytes(backup, workspace.params.read_bytes())
        text = keep_operational_sections(target.champion["params"], workspace.params.read_text("utf-8"))
        files.write_bytes(workspace.params, text.encode())

    sentence = f"params.yaml becomes that of {name}; a backup goes to {backup.relative_to(workspace.root)}."
    return Step(sentence, act)


def _equal_params(workspace: Workspace, champion: ReleaseRecord) -> bool:
    try:
        current, released = load_params(workspace.params), parse_params(champion["params"])
    except ConfigError:
        return False
    # The operational sections stay as they are, whichever release is the champion.
    excluded = set(OPERATIONAL_SECTIONS)
    return current.model_dump(exclude=excluded) == released.model_dump(exclude=excluded)


Inspection = Callable[[Workspace, ReconcileTarget], Step | None]
OUTSIDE_WORK_TREE: tuple[Inspection, ...] = (_local_copy, _aliases)


def _spelled(aliases: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = version {version}" for name, version in sorted(aliases.items())) or "none"
