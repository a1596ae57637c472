"""From a candidate to a judged release: registered in MLflow, compared with the champion, recorded in the ledger."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.base.config import GateConfig, Params, Workspace
from pipeline.core.gate.decision import GateDecision, decide
from pipeline.inference.predict import open_predictor
from pipeline.io import files
from pipeline.io.params_file import load_params
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import ChampionMove, Ledger
from pipeline.release.compare import PredictorLoader, compare_with_champion
from pipeline.release.register import (
    HEADLINE_METRICS,
    candidate_digests,
    candidate_identity,
    json_digest,
    read_evaluation,
    release_params,
)

THRESHOLDS = ("temperature", "uncertain")


@dataclass(frozen=True)
class CandidateLineage:
    """Say what a candidate was made of and where it is registered."""

    data_version: str
    model_version: str
    code_commit: str


def judge(
    workspace: Workspace,
    made: CandidateLineage,
    *,
    actor: str,
    reason: str,
    load: PredictorLoader | None = None,
) -> dict[str, Any]:
    """Judge the candidate against the gate and record the answer, yes or no; gives the release document.

    The same candidate on the same data with the same params is judged once and found afterwards; one whose files and
    figures are the champion's is the champion. `load` opens the champion's files; by default as the predictor that serves.
    """
    ledger = Ledger(workspace.ledger)
    if champion := _is_champion(workspace, ledger, made.data_version):
        return champion
    identity = candidate_identity(workspace, made.data_version)
    release = ledger.find(identity)
    if (
        release
        and not release.document["decision"]["accepted"]
        and release.document["champion"] != ledger.current()
    ):
        # Refused, but against another champion: that verdict says nothing of today's.
        identity = json_digest({"identity": identity, "champion": ledger.current()})
        release = ledger.find(identity)
    if release is None:
        params = load_params(workspace.params)
        document = {
            **dataclasses.asdict(made),
            "identity": identity,
            "actor": actor,
            "reason": reason,
            "params_digest": json_digest(release_params(params)),
            "params": workspace.params.read_text("utf-8"),
            "lock": read_lock(workspace),
            "signature": release_files.sign_candidate(workspace),
            **_verdict(workspace, params, load or open_predictor),
        }
        release = ledger.add(document)
    if release.document["decision"]["accepted"]:
        release_files.keep_local_copy(workspace, release.document)
    return dict(release.document)


def champion_of_candidate(workspace: Workspace, data_version: str) -> dict[str, Any] | None:
    """Give the release that the work tree's candidate has become, if it is the one in service."""
    ledger = Ledger(workspace.ledger)
    release = ledger.find(candidate_identity(workspace, data_version))
    if release and release.name == ledger.current():
        return dict(release.document)
    return _is_champion(workspace, ledger, data_version)


def _is_champion(workspace: Workspace, ledger: Ledger, data_version: str) -> dict[str, Any] | None:
    """Give the champion's document when the candidate's files, data and figures are its own: then there is nothing to judge."""
    current = ledger.current()
    if current is None:
        return None
    document = ledger.get(current).document
    same = document["data_version"] == data_version and document["files"] == release_files.release_digests(
        candidate_digests(workspace), read_evaluation(workspace)
    )
    return dict(document) if same else None


def read_lock(workspace: Workspace) -> str:
    """Give the text of the work tree's dvc.lock, empty where there is none."""
    path = workspace.root / "dvc.lock"
    return path.read_text("utf-8") if path.is_file() else ""


def previously_rolled_back(ledger: Ledger, candidate: Mapping[str, str]) -> str | None:
    """Say who went back from this very candidate, when and why; None when nobody did or when it is in service."""
    last: ChampionMove | None = None
    for release in ledger.releases():
        if candidate.items() <= release.document["files"].items():
            if release.name == ledger.current():
                return None
            last = next((move for move in reversed(ledger.moves()) if move.origin == release.name), last)
    # To an older release one goes back; to a newer one one goes on.
    if last is None or int(last.target[1:]) > int(str(last.origin)[1:]):
        return None
    return (
        f"This very candidate is {last.origin}, and {last.actor} went back from it to {last.target} at {last.time} ({last.reason}). "
        f"If it is meant to serve again, type `tonewatch release promote {last.origin}`."
    )


def redecide(document: Mapping[str, Any], gate: GateConfig) -> GateDecision:
    """Decide on a release from nothing but its own document."""
    candidate = {name: document[name] for name in ("evaluation", "cost", "checks", "withdrawn")}
    return decide(candidate, document["comparison"], gate)


def _verdict(workspace: Workspace, params: Params, load: PredictorLoader) -> dict[str, Any]:
    ledger, candidate, evaluation = (
        Ledger(workspace.ledger),
        candidate_digests(workspace),
        read_evaluation(workspace),
    )
    menu, settings = (
        files.read_json(workspace.root / "data" / "candidate" / name) for name in ("menu.json", "model.json")
    )
    champion = ledger.current()
    evidence = {
        "evaluation": evaluation,
        "cost": next(variant for variant in menu["variants"] if variant["name"] == menu["chosen"]),
        "checks": _checks(workspace),
        "withdrawn": previously_rolled_back(ledger, candidate),
        "comparison": compare_with_champion(workspace, params, ledger.get(champion).document, load)
        if champion
        else None,
    }
    return {
        **evidence,
        "files": release_files.release_digests(candidate, evaluation),
        "metrics": {name: evaluation[name] for name in HEADLINE_METRICS},
        "baselines": evaluation["baselines"],
        "intervals": evaluation["intervals"],
        "menu": menu,
        "thresholds": {name: settings[name] for name in THRESHOLDS},
        "parent": settings["parent"],
        "champion": champion,
        "approval": params.gate.approval,
        "decision": redecide(evidence, params.gate).as_dict(),
    }


def _checks(workspace: Workspace) -> list[dict[str, Any]]:
    folder = workspace.root / "data" / "validation"
    files.verified_receipt(folder, made_by="validate")
    return [
        {name: check[name] for name in ("name", "passed", "sentence")}
        for check in files.read_json(folder / "checks.json")
    ]
