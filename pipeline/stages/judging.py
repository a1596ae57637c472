"""From a candidate to a judged release: registered in MLflow, compared with the champion, recorded in the ledger."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.base.config import OPERATING, GateConfig, Params, Places, load_params
from pipeline.core.gate.decision import Decision, decide
from pipeline.io import files
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger, Move
from pipeline.io.registry.mlflow_models import Entry, Models
from pipeline.io.versioning.code_digest import code_digest
from pipeline.stages.comparing import Loading, against_champion
from pipeline.stages.prediction import open_predictor

HEADLINE = ("macro_f1", "accuracy", "per_source")
THRESHOLDS = ("temperature", "uncertain")
SERVING_CODE = Path(__file__).parents[1] / "serve" / "pyfunc.py"


@dataclass(frozen=True)
class Made:
    """Say what a candidate was made of and where it is registered."""

    data_version: str
    model_version: str
    code_commit: str


def register(places: Places, data_version: str, *, code: Path = SERVING_CODE) -> str:
    """Register the candidate with its classifier and evaluation; gives the model version, the same for the same candidate."""
    judged = Ledger(places.ledger).find(_identity(places, data_version))
    if judged:
        # The ledger knows its version; asking MLflow as well would cost an unchanged run many seconds.
        return str(judged.document["model_version"])
    data = places.root / "data"
    candidate = _candidate(places)
    files.trusted(data / "classifier", made_by="finetune")
    evaluation = _evaluation(places)
    entry = Entry(
        digest=_digest(candidate),
        candidate=data / "candidate",
        classifier=data / "classifier",
        evaluation=data / "evaluation" / "evaluation.json",
        code=code,
        labels=evaluation["labels"],
        data_version=data_version,
        fingerprint=files.trusted(data / "splits", made_by="split").notes["fingerprint"],
        params=_plain(load_params(places.params)),
        metrics={name: evaluation[name] for name in HEADLINE},
        histories={name: _history(data / folder) for name, folder in (("pretrain", "encoder"), ("finetune", "classifier"))},
        signature=release_files.signed(places),
    )
    return Models(places.mlflow).register(entry)


def judge(places: Places, made: Made, *, actor: str, reason: str, load: Loading | None = None) -> dict[str, Any]:
    """Judge the candidate against the gate and record the answer, yes or no; gives the release document.

    The same candidate on the same data with the same params is judged once and found afterwards; one whose files and
    figures are the champion's is the champion. `load` opens the champion's files; by default as the predictor that serves.
    """
    ledger = Ledger(places.ledger)
    if champion := _is_champion(places, ledger, made.data_version):
        return champion
    identity = _identity(places, made.data_version)
    release = ledger.find(identity)
    if release and not release.document["decision"]["accepted"] and release.document["champion"] != ledger.current():
        # Refused, but against another champion: that verdict says nothing of today's.
        identity = _digest({"identity": identity, "champion": ledger.current()})
        release = ledger.find(identity)
    if release is None:
        params = load_params(places.params)
        document = {
            **dataclasses.asdict(made),
            "identity": identity,
            "actor": actor,
            "reason": reason,
            "params_digest": _digest(_plain(params)),
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
    release = ledger.find(_identity(places, data_version))
    if release and release.name == ledger.current():
        return dict(release.document)
    return _is_champion(places, ledger, data_version)


def _is_champion(places: Places, ledger: Ledger, data_version: str) -> dict[str, Any] | None:
    """Give the champion's document when the candidate's files, data and figures are its own: then there is nothing to judge."""
    current = ledger.current()
    if current is None:
        return None
    document = ledger.get(current).document
    same = document["data_version"] == data_version and document["files"] == release_files.digests(_candidate(places), _evaluation(places))
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
    ledger, candidate, evaluation = Ledger(places.ledger), _candidate(places), _evaluation(places)
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
        "metrics": {name: evaluation[name] for name in HEADLINE},
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


def _candidate(places: Places) -> dict[str, str]:
    """Give the digests of the files that would serve; the menu beside them holds timings, which differ each time."""
    return release_files.served(files.trusted(places.root / "data" / "candidate", made_by="compress").files)


def _identity(places: Places, data_version: str) -> str:
    made_of = {
        "candidate": _candidate(places),
        "data_version": data_version,
        "params": _digest(_plain(load_params(places.params))),
        "evaluation": _digest(_evaluation(places)),
        "gate": code_digest("pipeline.core.gate.decision", "decide"),
        "comparison": code_digest("pipeline.stages.comparing", "against_champion"),
        "signer": release_files.signer(places),
    }
    return _digest(made_of)


def _plain(params: Params) -> dict[str, Any]:
    # How the line is operated makes no other release.
    return params.model_dump(mode="json", by_alias=True, exclude=set(OPERATING))


def _evaluation(places: Places) -> dict[str, Any]:
    folder = places.root / "data" / "evaluation"
    files.trusted(folder, made_by="evaluate")
    return dict(files.read_json(folder / "evaluation.json"))


def _history(folder: Path) -> list[dict[str, float]]:
    path = folder / "history.json"
    return list(files.read_json(path)) if path.is_file() else []


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
