"""What follows the ledger: the model registry's aliases, the work tree's data, the local copy of what is in service.

A marker says which move was followed last on this machine, so a move whose follower was killed is finished by the next command.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.config import Places
from pipeline.errors import TonewatchError
from pipeline.registry.ledger import Ledger
from pipeline.registry.models import Models
from pipeline.stages import copies
from pipeline.stages.judging import lock_of
from pipeline.storage import files


@dataclass(frozen=True)
class Followed:
    """Say what was repaired, and what has to wait and why."""

    done: tuple[str, ...]
    pending: tuple[str, ...]


def behind(places: Places) -> bool:
    """Say whether the last move was not followed to its end on this machine; asks the ledger only."""
    moves, marker = Ledger(places.ledger).moves(), places.home / "followed.json"
    return bool(moves) and (files.read_json(marker)["sequence"] if marker.is_file() else 0) != moves[-1].sequence


def follow(places: Places) -> Followed:
    """Make every projection what the ledger says; one that cannot follow now does not keep the others from it."""
    ledger = Ledger(places.ledger)
    moves = ledger.moves()
    if not moves:
        return Followed((), ())
    champion = ledger.get(moves[-1].target).document
    previous = ledger.get(moves[-1].origin).document if moves[-1].origin else None
    done: list[str] = []
    pending: list[str] = []
    steps: tuple[Callable[[], str | None], ...] = (
        lambda: _copy(places, champion),
        lambda: _aliases(places, champion, previous),
        lambda: _work_tree(places, champion),
    )
    for step in steps:
        try:
            said = step()
        except TonewatchError as error:
            pending.append(str(error))
        else:
            done += [said] if said else []
    if not pending:
        files.write_json(places.home / "followed.json", {"sequence": moves[-1].sequence})
    return Followed(tuple(done), tuple(pending))


def _copy(places: Places, champion: Mapping[str, Any]) -> str | None:
    folder = places.releases / str(champion["release"])
    stamp = folder.stat().st_ino if folder.is_dir() else None
    copies.verified(places, champion)
    return None if folder.stat().st_ino == stamp else f"The local copy of {champion['release']} was fetched from MLflow."


def _aliases(places: Places, champion: Mapping[str, Any], previous: Mapping[str, Any] | None) -> str | None:
    models = Models(places.mlflow)
    wanted = {"champion": str(champion["model_version"])}
    if previous:
        wanted["previous"] = str(previous["model_version"])
    found = models.aliases()
    if found == wanted:
        return None
    models.project(wanted["champion"], wanted.get("previous"))
    return f"The aliases in MLflow were {_spoken(found)}, are {_spoken(wanted)}."


def _work_tree(places: Places, champion: Mapping[str, Any]) -> str | None:
    if not champion["lock"]:
        return None
    from pipeline.version.branch import holds, restore_lock

    # The same text is not enough: a move killed after the lock and before the folders leaves it over other data.
    if champion["lock"] == lock_of(places) and holds(places.root, champion["lock"]):
        return None
    restore_lock(places.root, champion["lock"])
    return f"dvc.lock and the data are those of {champion['release']} ({champion['data_version']}) again."


def _spoken(aliases: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = version {version}" for name, version in sorted(aliases.items())) or "not set"
