"""From a candidate to a judged release: registered in MLflow, compared with the champion, recorded in the ledger."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.base.config import GateConfig, Params, Places
from pipeline.core.gate.decision import Decision, decide
from pipeline.inference.predict import open_predictor
from pipeline.io import files
from pipeline.io.params_file import load_params
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger, Move
from pipeline.release.compare import Loading, against_champion
from pipeline.release.register import HEADLINE_METRICS, candidate_digests, candidate_identity, json_digest, read_evaluation, release_params

THRESHOLDS = ("temperature", "uncertain")


@dataclass(frozen=True)
class CandidateLineage:
    """Say what a candidate was made of and where it is registered."""

    data_version: str
    model_version: str
    code_commit: str


def judge(places: Places, made: CandidateLineage, *, actor: str, reason: str, load: Loading | None = None) -> dict[str, Any]:
    """Judge the candidate against the gate and record the answer, yes or no; gives the release document.

    The same candidate on the same data with the same params is judged once and found afterwards; one whose files and
    figures are the champion's is the champion. `load` opens the champion's files; by default as the predictor that serves.
    """
    ledger = Ledger(places.ledger)
    if champion := _is_champion(places, ledger, made.data_version):
        return champion
    identity = candidate_identity(places, made.data_version)
    release = ledger.find(identity)
    if release and not release.document["decision"]["accepted"] and release.document["champion"] != ledger.current():
        # Refused, but against another champion: that verdict says nothing of today's.
        identity = json_digest({"identity": identity, "champion": ledger.current()})
        release = ledger.find(identity)
    if release is None:
        params = load_params(places.params)
        document = {
            **dataclasses.asdict(made),
            "identity": identity,
            "actor": actor,
            "reason": reason,
            "params_digest": json_digest(release_params(params)),
            "params": places.params.read_text("utf-8"),
            "lock": lock_of(places),
            "signature": release_files.signed(places),
            **_verdict(places, params, load or open_predictor),
        }
        release = ledger.add(document)
    if release.document["decision"]["accepted"]:
        release_files.keep(places, release.document)
    return dict(release.document)


def judged(places: Places, data_version: str) -> dict[str, Any] | None:
    """Give the release that the work tree's candidate has become, if it is the one in service."""
    ledger = Ledger(places.ledger)
    release = ledger.find(candidate_identity(places, data_version))
    if release and release.name == ledger.current():
        return dict(release.document)
    return _is_champion(places, ledger, data_version)


def _is_champion(places: Places, ledger: Ledger, data_version: str) -> dict[str, Any] | None:
    """Give the champion's document when the candidate's files, data and figures are its own: then there is nothing to judge."""
    current = ledger.current()
    if current is None:
        return None
    document = ledger.get(current).document
    same = document["data_version"] == data_version and document["files"] == release_files.digests(
        candidate_digests(places), read_evaluation(places)
    )
    return dict(document) if same else None


def lock_of(places: Places) -> str:
    """Give the text of the work tree's dvc.lock, empty where there is none."""
    path = places.root / "dvc.lock"
    return path.read_text("utf-8") if path.is_file() else ""


def withdrawn(ledger: Ledger, candidate: Mapping[str, str]) -> str | None:
    """Say who went back from this very candidate, when and why; None when nobody did or when it is in service."""
    last: Move | None = None
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


def decided(document: Mapping[str, Any], gate: GateConfig) -> Decision:
    """Decide on a release from nothing but its own document."""
    candidate = {name: document[name] for name in ("evaluation", "cost", "checks", "withdrawn")}
    return decide(candidate, document["comparison"], gate)


def _verdict(places: Places, params: Params, load: Loading) -> dict[str, Any]:
    ledger, candidate, evaluation = Ledger(places.ledger), candidate_digests(places), read_evaluation(places)
    menu, settings = (files.read_json(places.root / "data" / "candidate" / name) for name in ("menu.json", "model.json"))
    champion = ledger.current()
    evidence = {
        "evaluation": evaluation,
        "cost": next(variant for variant in menu["variants"] if variant["name"] == menu["chosen"]),
        "checks": _checks(places),
        "withdrawn": withdrawn(ledger, candidate),
        "comparison": against_champion(places, params, ledger.get(champion).document, load) if champion else None,
    }
    return {
        **evidence,
        "files": release_files.digests(candidate, evaluation),
        "metrics": {name: evaluation[name] for name in HEADLINE_METRICS},
        "baselines": evaluation["baselines"],
        "intervals": evaluation["intervals"],
        "menu": menu,
        "thresholds": {name: settings[name] for name in THRESHOLDS},
        "parent": settings["parent"],
        "champion": champion,
        "approval": params.gate.approval,
        "decision": decided(evidence, params.gate).as_dict(),
    }


def _checks(places: Places) -> list[dict[str, Any]]:
    folder = places.root / "data" / "validation"
    files.trusted(folder, made_by="validate")
    return [{name: check[name] for name in ("name", "passed", "sentence")} for check in files.read_json(folder / "checks.json")]
