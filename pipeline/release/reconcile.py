"""What follows the ledger: the model registry's aliases, the work tree's data and params, the local copy of what is in service.

Each projection is first looked at and then changed, so the same words tell what would happen and what happened.
A marker says which move was followed last on this machine, so a move whose follower was killed is finished by the next command.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.base.config import OPERATIONAL_SECTIONS, Workspace
from pipeline.base.config.parsing import keep_operational_sections, parse_params
from pipeline.base.errors import ConfigError, TonewatchError
from pipeline.io import files
from pipeline.io.params_file import load_params
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.mlflow_models import ModelRegistry
from pipeline.release.judge import read_lock

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """Hold one change that lets something follow the ledger, and the sentence that tells it."""

    sentence: str
    act: Callable[[], object]


@dataclass(frozen=True)
class ReconcileResult:
    """Say what was repaired, and what has to wait and why."""

    done: tuple[str, ...]
    pending: tuple[str, ...]


@dataclass(frozen=True)
class ReconcileTarget:
    """Hold what everything should follow: the release in service, the one before it, and whether the move is new here."""

    champion: Document
    previous: Document | None
    moved: bool


def is_behind(workspace: Workspace) -> bool:
    """Say whether the last move was not followed to its end on this machine; asks the ledger only."""
    moves = Ledger(workspace.ledger).moves()
    return bool(moves) and _followed(workspace) != moves[-1].sequence


def apply(workspace: Workspace) -> ReconcileResult:
    """Make every projection what the ledger says; one that cannot follow now does not keep the others from it."""
    ledger = Ledger(workspace.ledger)
    moves = ledger.moves()
    if not moves:
        return ReconcileResult((), ())
    last = moves[-1]
    previous = ledger.get(last.origin).document if last.origin else None
    aim = ReconcileTarget(
        ledger.get(last.target).document, previous, moved=_followed(workspace) != last.sequence
    )
    followed = _walk(workspace, aim, act=True)
    if not followed.pending:
        files.write_json(workspace.home / "followed.json", {"sequence": last.sequence})
    return followed


def diff(workspace: Workspace) -> ReconcileResult:
    """Tell what does not follow the ledger now, and change nothing."""
    ledger = Ledger(workspace.ledger)
    moves = ledger.moves()
    if not moves:
        return ReconcileResult((), ())
    previous = ledger.get(moves[-1].origin).document if moves[-1].origin else None
    return _walk(
        workspace,
        ReconcileTarget(ledger.get(moves[-1].target).document, previous, moved=is_behind(workspace)),
        act=False,
    )


def preview(workspace: Workspace, champion: Document, previous: Document | None) -> ReconcileResult:
    """Tell what would follow if this release were put in service, and change nothing."""
    return _walk(workspace, ReconcileTarget(champion, previous, moved=True), act=False)


def _walk(workspace: Workspace, aim: ReconcileTarget, *, act: bool) -> ReconcileResult:
    done: list[str] = []
    pending: list[str] = []
    for look in (_copy, _aliases, _work_tree, _params):
        try:
            step = look(workspace, aim)
            if step and act:
                step.act()
        except TonewatchError as error:
            pending.append(str(error))
        else:
            done += [step.sentence] if step else []
    return ReconcileResult(tuple(done), tuple(pending))


def _followed(workspace: Workspace) -> int:
    marker = workspace.home / "followed.json"
    return int(files.read_json(marker)["sequence"]) if marker.is_file() else 0


def _copy(workspace: Workspace, aim: ReconcileTarget) -> Step | None:
    if release_files.copy_is_intact(workspace, aim.champion):
        return None
    name = aim.champion["release"]
    return Step(
        f"The local copy of {name} is fetched from MLflow.",
        lambda: release_files.verified_copy(workspace, aim.champion),
    )


def _aliases(workspace: Workspace, aim: ReconcileTarget) -> Step | None:
    models = ModelRegistry(workspace.mlflow)
    wanted = {"champion": str(aim.champion["model_version"])}
    if aim.previous:
        wanted["previous"] = str(aim.previous["model_version"])
    found = models.aliases()
    if found == wanted:
        return None
    sentence = f"The aliases in MLflow go from {_spoken(found)} to {_spoken(wanted)}."
    return Step(sentence, lambda: models.project(wanted["champion"], wanted.get("previous")))


def _work_tree(workspace: Workspace, aim: ReconcileTarget) -> Step | None:
    lock = str(aim.champion["lock"])
    if not lock:
        return None
    from pipeline.io.versioning.data_branch import holds_lock, restore_lock

    # The same text is not enough: a move killed after the lock and before the folders leaves it over other data.
    if lock == read_lock(workspace) and holds_lock(workspace.root, lock):
        return None
    if not aim.moved and _left_by_a_refused(workspace):
        return None
    sentence = (
        f"dvc.lock and the data become those of {aim.champion['release']} ({aim.champion['data_version']})."
    )
    return Step(sentence, lambda: restore_lock(workspace.root, lock))


def _left_by_a_refused(workspace: Workspace) -> bool:
    """Say whether the work tree holds what a run left whose candidate was refused or waits: no fault, but its next run's beginning."""
    ledger, lock = Ledger(workspace.ledger), read_lock(workspace)
    served = {move.target for move in ledger.moves()}
    return any(
        release.document["lock"] == lock for release in ledger.releases() if release.name not in served
    )


def _params(workspace: Workspace, aim: ReconcileTarget) -> Step | None:
    # Only with a move: later edits of params.yaml are somebody's next run, and no fault to repair.
    if not aim.moved or _equal_params(workspace, aim.champion):
        return None
    name, kept = aim.champion["release"], workspace.home / "params" / f"before-{aim.champion['release']}.yaml"

    def act() -> None:
        files.write_bytes(kept, workspace.params.read_bytes())
        operated = keep_operational_sections(str(aim.champion["params"]), workspace.params.read_text("utf-8"))
        files.write_bytes(workspace.params, operated.encode())

    return Step(
        f"params.yaml becomes that of {name}; what stood there is kept as {kept.relative_to(workspace.root)}.",
        act,
    )


def _equal_params(workspace: Workspace, champion: Document) -> bool:
    try:
        here, there = load_params(workspace.params), parse_params(str(champion["params"]))
    except ConfigError:
        return False
    # Who edits how the line is operated keeps that, whatever is in service.
    return here.model_dump(exclude=set(OPERATIONAL_SECTIONS)) == there.model_dump(
        exclude=set(OPERATIONAL_SECTIONS)
    )


def _spoken(aliases: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = version {version}" for name, version in sorted(aliases.items())) or "none"
