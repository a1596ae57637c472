"""Whether the record holds: the ledger's chain, each decision made again from its own figures, every file, every projection."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.base.config import Workspace
from pipeline.base.config.parsing import parse_params
from pipeline.base.errors import DigestMismatch, TonewatchError
from pipeline.io import locks
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger
from pipeline.release import reconcile
from pipeline.release.judge import redecide


def verify_releases(workspace: Workspace, name: str | None) -> dict[str, Any]:
    """Check one release, or all of them and what follows the ledger; gives what was checked.

    While somebody works in the workspace what follows is on its way, and is not judged: `working` is the process that does.
    Raises DigestMismatch that tells everything that does not hold.
    """
    ledger = Ledger(workspace.ledger)
    documents = [ledger.get(name).document] if name else [release.document for release in ledger.releases()]
    faults = [*ledger.faults(), *(fault for document in documents for fault in _faults(workspace, document))]
    working = locks.lock_holder(workspace.home)
    if name is None and working is None:
        followed = reconcile.diff(workspace)
        # One who began meanwhile has moved it.
        working = locks.lock_holder(workspace.home)
        found = () if working else (*followed.done, *followed.pending)
        faults += [f"Does not follow the ledger: {sentence}" for sentence in found]
    if faults:
        raise DigestMismatch(
            "\n".join(faults)
            + "\nLook with `tonewatch release list`; `tonewatch release reconcile` repairs what follows."
        )
    names = [document["release"] for document in documents]
    return {"releases": names, "moves": len(ledger.moves()), "head": ledger.head(), "working": working}


def _faults(workspace: Workspace, document: Mapping[str, Any]) -> Iterator[str]:
    name = document["release"]
    try:
        again = redecide(document, parse_params(str(document["params"])).gate).as_dict()
    except (TonewatchError, KeyError, TypeError, ValueError) as error:
        yield f"The decision on {name} cannot be made again from its record: {error}."
    else:
        if again != document["decision"]:
            yield f"The decision on {name} does not follow from its own figures: recorded {_said(document['decision'])}, is {_said(again)}."
    if (workspace.releases / str(name)).is_dir():
        try:
            release_files.check_copy(workspace, document)
        except TonewatchError as error:
            yield str(error)


def _said(decision: Mapping[str, Any]) -> str:
    failed = [part["name"] for part in decision["parts"] if not part["passed"]]
    return ("accepted" if decision["accepted"] else "refused") + (f" ({', '.join(failed)})" if failed else "")
