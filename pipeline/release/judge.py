"""Judge a candidate: compare it with the champion, let the gate decide, record the decision."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.base.config import GateConfig, Params, Workspace
from pipeline.base.digests import json_digest
from pipeline.base.documents import (
    CandidateRecord,
    CompressionMenu,
    DataCheckRecord,
    GateEvidence,
    ReleaseRecord,
)
from pipeline.core.gate.decision import GateDecision, decide
from pipeline.inference.load import load_predictor
from pipeline.io import files
from pipeline.io.params_file import load_params
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.ledger_entries import ChampionMove, Release
from pipeline.io.registry.open_registry import open_registry
from pipeline.io.workspace_id import workspace_identity
from pipeline.release.compare import PredictorLoader, compare_with_champion
from pipeline.release.register import (
    candidate_digests,
    candidate_identity,
    headline_metrics,
    read_evaluation,
    release_params,
)


@dataclass(frozen=True)
class CandidateLineage:
    """The data, the registered model and the code that a candidate was made from."""

    data_version: str
    model_version: str
    code_commit: str


@dataclass(frozen=True)
class _Judgement:
    identity: str
    actor: str
    reason: str
    champion: str | None


def judge(
    workspace: Workspace,
    lineage: CandidateLineage,
    *,
    actor: str,
    reason: str,
    load: PredictorLoader | None = None,
) -> ReleaseRecord:
    """Judge the candidate in the working tree and record the decision; return the release record.

    An equal candidate (`candidate_identity`) is judged once and looked up afterwards; one that equals the
    champion in files, data and evaluation is the champion. `load` opens a model folder, by default as serving
    does.
    """
    ledger = Ledger(workspace.ledger)
    champion = _champion(ledger)
    if champion and _equals_candidate(workspace, champion, lineage.data_version):
        return champion
    identity = candidate_identity(workspace, lineage.data_version)
    release = ledger.find(identity)
    name = champion["release"] if champion else None
    if release and not release.record["decision"]["accepted"] and release.record["champion"] != name:
        # A rejection says nothing about a champion that it was not compared with.
        identity = json_digest({"identity": identity, "champion": name})
        release = ledger.find(identity)
    if release is None:
        params, loader = load_params(workspace.params), load or load_predictor
        evidence = _gather_evidence(workspace, params, ledger, champion, loader)
        judgement = _Judgement(identity, actor, reason, champion=name)
        release = ledger.add(_candidate_record(workspace, params, evidence, lineage, judgement))
    if release.record["decision"]["accepted"]:
        release_files.keep_local_copy(workspace, release.record)
    return release.record


def champion_of_candidate(workspace: Workspace, data_version: str) -> ReleaseRecord | None:
    """Return the champion where the candidate in the working tree has become it, else None."""
    ledger = Ledger(workspace.ledger)
    champion = _champion(ledger)
    if champion is None:
        return None
    release = ledger.find(candidate_identity(workspace, data_version))
    if release and release.name == champion["release"]:
        return champion
    return champion if _equals_candidate(workspace, champion, data_version) else None


def read_lock(workspace: Workspace) -> str:
    """Return the text of dvc.lock in the working tree, empty where there is none."""
    path = workspace.root / "dvc.lock"
    return path.read_text("utf-8") if path.is_file() else ""


def previously_rolled_back(ledger: Ledger, digests: Mapping[str, str]) -> str | None:
    """Return who rolled back a candidate with these files and why; None where nobody did or it serves."""
    left = _last_departure(ledger.releases(), ledger.moves(), digests)
    if left is None or not left.is_rollback:
        return None
    return (
        f"This very candidate is {left.origin}, and {left.actor} rolled it back to {left.target} "
        f"at {left.time} ({left.reason}). To serve it again, type `tonewatch release promote {left.origin}`."
    )


def redecide(evidence: GateEvidence, gate: GateConfig) -> GateDecision:
    """Decide again from the evidence in a release record alone."""
    return decide(evidence, evidence["comparison"], gate)


def _champion(ledger: Ledger) -> ReleaseRecord | None:
    name = ledger.champion()
    return ledger.get(name).record if name else None


def _equals_candidate(workspace: Workspace, champion: ReleaseRecord, data_version: str) -> bool:
    return champion["data_version"] == data_version and champion["files"] == release_files.release_digests(
        candidate_digests(workspace), read_evaluation(workspace)
    )


def _last_departure(
    releases: list[Release], moves: list[ChampionMove], digests: Mapping[str, str]
) -> ChampionMove | None:
    """Return the last move away from a release with these files; None where such a release serves now."""
    last: ChampionMove | None = None
    for release in releases:
        if digests.items() <= release.record["files"].items():
            if moves and release.name == moves[-1].target:
                return None
            last = next((move for move in reversed(moves) if move.origin == release.name), last)
    return last


def _gather_evidence(
    workspace: Workspace,
    params: Params,
    ledger: Ledger,
    champion: ReleaseRecord | None,
    load: PredictorLoader,
) -> GateEvidence:
    menu = _read_menu(workspace)
    return {
        "evaluation": read_evaluation(workspace),
        "variant": next(variant for variant in menu["variants"] if variant["name"] == menu["chosen"]),
        "checks": _data_checks(workspace),
        "previously_rolled_back": previously_rolled_back(ledger, candidate_digests(workspace)),
        "comparison": compare_with_champion(workspace, params, champion, load) if champion else None,
    }


def _candidate_record(
    workspace: Workspace,
    params: Params,
    evidence: GateEvidence,
    lineage: CandidateLineage,
    judgement: _Judgement,
) -> CandidateRecord:
    evaluation, identity = evidence["evaluation"], workspace_identity(workspace)
    settings = files.read_json(workspace.root / "data" / "candidate" / "model.json")
    return {
        **evidence,
        "schema": 2,
        "identity": judgement.identity,
        "actor": judgement.actor,
        "reason": judgement.reason,
        "champion": judgement.champion,
        "data_version": lineage.data_version,
        "model": open_registry(workspace).name,
        "model_version": lineage.model_version,
        "workspace": identity.id,
        "host": identity.host,
        "code_commit": lineage.code_commit,
        "params": workspace.params.read_text("utf-8"),
        "params_digest": json_digest(release_params(params)),
        "lock": read_lock(workspace),
        "signature": release_files.sign_candidate(workspace),
        "files": release_files.release_digests(candidate_digests(workspace), evaluation),
        "metrics": headline_metrics(evaluation),
        "baselines": evaluation["baselines"],
        "intervals": evaluation["intervals"],
        "menu": _read_menu(workspace),
        "thresholds": {"temperature": settings["temperature"], "uncertain": settings["uncertain"]},
        "teacher": settings["teacher"],
        "approval": params.gate.approval,
        "decision": redecide(evidence, params.gate).record(),
    }


def _read_menu(workspace: Workspace) -> CompressionMenu:
    menu: CompressionMenu = files.read_json(workspace.root / "data" / "candidate" / "menu.json")
    return menu


def _data_checks(workspace: Workspace) -> list[DataCheckRecord]:
    folder = workspace.root / "data" / "validation"
    files.verified_receipt(folder, made_by="validate")
    return [
        {"name": check["name"], "passed": check["passed"], "sentence": check["sentence"]}
        for check in files.read_json(folder / "checks.json")
    ]
