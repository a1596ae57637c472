"""What follows the ledger: the model registry's aliases, the work tree's data and params, the local copy of what is in service.

Each projection is first looked at and then changed, so the same words tell what would happen and what happened.
A marker says which move was followed last on this machine, so a move whose follower was killed is finished by the next command.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.base.config import OPERATING, Places
from pipeline.base.config.parsing import as_operated, parse_params
from pipeline.base.errors import ConfigError, TonewatchError
from pipeline.io import files
from pipeline.io.params_file import load_params
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.mlflow_models import Models
from pipeline.release.judge import lock_of

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """Hold one change that lets something follow the ledger, and the sentence that tells it."""

    sentence: str
    act: Callable[[], object]


@dataclass(frozen=True)
class Followed:
    """Say what was repaired, and what has to wait and why."""

    done: tuple[str, ...]
    pending: tuple[str, ...]


@dataclass(frozen=True)
class Aim:
    """Hold what everything should follow: the release in service, the one before it, and whether the move is new here."""

    champion: Document
    previous: Document | None
    moved: bool


def behind(places: Places) -> bool:
    """Say whether the last move was not followed to its end on this machine; asks the ledger only."""
    moves = Ledger(places.ledger).moves()
    return bool(moves) and _followed(places) != moves[-1].sequence


def follow(places: Places) -> Followed:
    """Make every projection what the ledger says; one that cannot follow now does not keep the others from it."""
    ledger = Ledger(places.ledger)
    moves = ledger.moves()
    if not moves:
        return Followed((), ())
    last = moves[-1]
    previous = ledger.get(last.origin).document if last.origin else None
    aim = Aim(ledger.get(last.target).document, previous, moved=_followed(places) != last.sequence)
    followed = _walk(places, aim, act=True)
    if not followed.pending:
        files.write_json(places.home / "followed.json", {"sequence": last.sequence})
    return followed


def differing(places: Places) -> Followed:
    """Tell what does not follow the ledger now, and change nothing."""
    ledger = Ledger(places.ledger)
    moves = ledger.moves()
    if not moves:
        return Followed((), ())
    previous = ledger.get(moves[-1].origin).document if moves[-1].origin else None
    return _walk(places, Aim(ledger.get(moves[-1].target).document, previous, moved=behind(places)), act=False)


def foreseen(places: Places, champion: Document, previous: Document | None) -> Followed:
    """Tell what would follow if this release were put in service, and change nothing."""
    return _walk(places, Aim(champion, previous, moved=True), act=False)


def _walk(places: Places, aim: Aim, *, act: bool) -> Followed:
    done: list[str] = []
    pending: list[str] = []
    for look in (_copy, _aliases, _work_tree, _params):
        try:
            step = look(places, aim)
            if step and act:
                step.act()
        except TonewatchError as error:
            pending.append(str(error))
        else:
            done += [step.sentence] if step else []
    return Followed(tuple(done), tuple(pending))


def _followed(places: Places) -> int:
    marker = places.home / "followed.json"
    return int(files.read_json(marker)["sequence"]) if marker.is_file() else 0


def _copy(places: Places, aim: Aim) -> Step | None:
    if release_files.is_whole(places, aim.champion):
        return None
    name = aim.champion["release"]
    return Step(f"The local copy of {name} is fetched from MLflow.", lambda: release_files.verified(places, aim.champion))


def _aliases(places: Places, aim: Aim) -> Step | None:
    models = Models(places.mlflow)
    wanted = {"champion": str(aim.champion["model_version"])}
    if aim.previous:
        wanted["previous"] = str(aim.previous["model_version"])
    found = models.aliases()
    if found == wanted:
        return None
    sentence = f"The aliases in MLflow go from {_spoken(found)} to {_spoken(wanted)}."
    return Step(sentence, lambda: models.project(wanted["champion"], wanted.get("previous")))


def _work_tree(places: Places, aim: Aim) -> Step | None:
    lock = str(aim.champion["lock"])
    if not lock:
        return None
    from pipeline.io.versioning.data_branch import holds, restore_lock

    # The same text is not enough: a move killed after the lock and before the folders leaves it over other data.
    if lock == lock_of(places) and holds(places.root, lock):
        return None
    if not aim.moved and _left_by_a_refused(places):
        return None
    sentence = f"dvc.lock and the data become those of {aim.champion['release']} ({aim.champion['data_version']})."
    return Step(sentence, lambda: restore_lock(places.root, lock))


def _left_by_a_refused(places: Places) -> bool:
    """Say whether the work tree holds what a run left whose candidate was refused or waits: no fault, but its next run's beginning."""
    ledger, lock = Ledger(places.ledger), lock_of(places)
    served = {move.target for move in ledger.moves()}
    return any(release.document["lock"] == lock for release in ledger.releases() if release.name not in served)


def _params(places: Places, aim: Aim) -> Step | None:
    # Only with a move: later edits of params.yaml are somebody's next run, and no fault to repair.
    if not aim.moved or _equal_params(places, aim.champion):
        return None
    name, kept = aim.champion["release"], places.home / "params" / f"before-{aim.champion['release']}.yaml"

    def act() -> None:
        files.write_bytes(kept, places.params.read_bytes())
        operated = as_operated(str(aim.champion["params"]), places.params.read_text("utf-8"))
        files.write_bytes(places.params, operated.encode())

    return Step(f"params.yaml becomes that of {name}; what stood there is kept as {kept.relative_to(places.root)}.", act)


def _equal_params(places: Places, champion: Document) -> bool:
    try:
        here, there = load_params(places.params), parse_params(str(champion["params"]))
    except ConfigError:
        return False
    # Who edits how the line is operated keeps that, whatever is in service.
    return here.model_dump(exclude=set(OPERATING)) == there.model_dump(exclude=set(OPERATING))


def _spoken(aliases: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = version {version}" for name, version in sorted(aliases.items())) or "none"
