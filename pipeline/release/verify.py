"""Whether the record holds: the ledger's chain, each decision made again from its own figures, every file, every projection."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.base.config import Places
from pipeline.base.config.parsing import parse_params
from pipeline.base.errors import DigestMismatch, TonewatchError
from pipeline.io import locks
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger
from pipeline.release import reconcile
from pipeline.release.judge import decided


def verify(places: Places, name: str | None) -> dict[str, Any]:
    """Check one release, or all of them and what follows the ledger; gives what was checked.

    While somebody works in the workspace what follows is on its way, and is not judged: `working` is the process that does.
    Raises DigestMismatch that tells everything that does not hold.
    """
    ledger = Ledger(places.ledger)
    documents = [ledger.get(name).document] if name else [release.document for release in ledger.releases()]
    faults = [*ledger.faults(), *(fault for document in documents for fault in _faults(places, document))]
    working = locks.holder(places.home)
    if name is None and working is None:
        followed = reconcile.differing(places)
        # One who began meanwhile has moved it.
        working = locks.holder(places.home)
        found = () if working else (*followed.done, *followed.pending)
        faults += [f"Does not follow the ledger: {sentence}" for sentence in found]
    if faults:
        raise DigestMismatch(
            "\n".join(faults) + "\nLook with `tonewatch release list`; `tonewatch release reconcile` repairs what follows."
        )
    names = [document["release"] for document in documents]
    return {"releases": names, "moves": len(ledger.moves()), "head": ledger.head(), "working": working}


def _faults(places: Places, document: Mapping[str, Any]) -> Iterator[str]:
    name = document["release"]
    try:
        again = decided(document, parse_params(str(document["params"])).gate).as_dict()
    except (TonewatchError, KeyError, TypeError, ValueError) as error:
        yield f"The decision on {name} cannot be made again from its record: {error}."
    else:
        if again != document["decision"]:
            yield f"The decision on {name} does not follow from its own figures: recorded {_said(document['decision'])}, is {_said(again)}."
    if (places.releases / str(name)).is_dir():
        try:
            release_files.checked(places, document)
        except TonewatchError as error:
            yield str(error)


def _said(decision: Mapping[str, Any]) -> str:
    failed = [part["name"] for part in decision["parts"] if not part["passed"]]
    return ("accepted" if decision["accepted"] else "refused") + (f" ({', '.join(failed)})" if failed else "")
