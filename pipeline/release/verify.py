"""Verify releases: the ledger's hash chain, decisions from their own evidence, files, projections."""

from collections.abc import Iterator
from typing import Any, TypedDict

from pipeline.base.config import Workspace
from pipeline.base.config.parsing import parse_params
from pipeline.base.documents import GateDecisionRecord, ReleaseRecord
from pipeline.base.errors import DigestMismatch, TonewatchError
from pipeline.io import locks
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger
from pipeline.release import reconcile
from pipeline.release.judge import redecide


class VerifiedLedger(TypedDict):
    """What was verified; `working` is the process that held the workspace, whose projections were skipped."""

    releases: list[str]
    moves: int
    head: str
    working: str | None


def verify_releases(workspace: Workspace, name: str | None) -> VerifiedLedger:
    """Verify one release, or all releases and the projections of the ledger.

    Projections are skipped while another process works in the workspace. Raises DigestMismatch that lists
    every fault.
    """
    ledger = Ledger(workspace.ledger)
    records = [ledger.get(name).record] if name else [release.record for release in ledger.releases()]
    faults = [*ledger.faults(), *(fault for record in records for fault in _faults(workspace, record))]
    working = locks.lock_holder(workspace.home)
    if name is None and working is None:
        result = reconcile.diff(workspace)
        # A process that started in the meantime may have changed a projection.
        working = locks.lock_holder(workspace.home)
        sentences = () if working else (*result.done, *result.pending)
        faults += [f"Does not agree with the ledger: {sentence}" for sentence in sentences]
    if faults:
        advice = "See `tonewatch release list`; `tonewatch release reconcile` repairs the projections."
        raise DigestMismatch("\n".join([*faults, advice]))
    names = [record["release"] for record in records]
    return {"releases": names, "moves": len(ledger.moves()), "head": ledger.head(), "working": working}


def _faults(workspace: Workspace, record: ReleaseRecord) -> Iterator[str]:
    name = record["release"]
    try:
        decision = redecide(record, parse_params(record["params"]).gate).record()
    except (TonewatchError, KeyError, TypeError, ValueError) as error:
        yield f"The decision on {name} cannot be made again from its record: {error}."
    else:
        if _outcome(decision) != _outcome(record["decision"]):
            yield (
                f"The decision on {name} does not follow from its own evidence: recorded is "
                f"{_summary(record['decision'])}, the gate decides {_summary(decision)}."
            )
    if (workspace.releases / name).is_dir():
        try:
            release_files.check_copy(workspace, record)
        except TonewatchError as error:
            yield str(error)


def _outcome(decision: GateDecisionRecord) -> dict[str, Any]:
    """Return a decision without its sentences, whose wording differs between versions of Tonewatch."""
    compared = ("name", "passed", "figures", "shortfall", "unit")
    checks = [{key: value for key, value in check.items() if key in compared} for check in decision["checks"]]
    return {"accepted": decision["accepted"], "checks": checks}


def _summary(decision: GateDecisionRecord) -> str:
    failed = [check["name"] for check in decision["checks"] if not check["passed"]]
    outcome = "accepted" if decision["accepted"] else "rejected"
    return f"{outcome} ({', '.join(failed)})" if failed else outcome
