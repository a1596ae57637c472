"""From a candidate to a judged release: registered in MLflow, compared with the champion, recorded in the ledger."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pipeline.config import Params, Places, load_params
from pipeline.errors import Fault
from pipeline.evaluate.compare import Comparison, Pair, compare
from pipeline.evaluate.gate import decide
from pipeline.registry.ledger import Ledger, Move
from pipeline.registry.models import Entry, Models
from pipeline.stages import copies
from pipeline.stages.prediction import open_predictor
from pipeline.storage import files, tables
from pipeline.version.code import code_digest

HEADLINE = ("macro_f1", "accuracy", "per_source")
SERVING_CODE = Path(__file__).parents[1] / "serve" / "pyfunc.py"


class Answering(Protocol):
    """Label texts; the `labels` of the answer are names, in the texts' order."""

    def predict(self, texts: Sequence[str], /) -> Any:
        """Answer each text."""


Loading = Callable[[Path], Answering]


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
    )
    return Models(places.mlflow).register(entry)


def judge(places: Places, made: Made, *, actor: str, reason: str, load: Loading | None = None) -> dict[str, Any]:
    """Judge the candidate against the gate and record the answer, yes or no; gives the release document.

    The same candidate on the same data with the same params is judged once and found afterwards.
    `load` opens the champion's files; by default as the predictor that serves.
    """
    ledger = Ledger(places.ledger)
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
            **_verdict(places, params, load or open_predictor),
        }
        release = ledger.add(document)
    if release.document["decision"]["accepted"]:
        copies.keep(places, release.document)
    return dict(release.document)


def judged(places: Places, data_version: str) -> dict[str, Any] | None:
    """Give the release that the work tree's candidate has become, if it is the one in service."""
    ledger = Ledger(places.ledger)
    release = ledger.find(_identity(places, data_version))
    return dict(release.document) if release and release.name == ledger.current() else None


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


def _verdict(places: Places, params: Params, load: Loading) -> dict[str, Any]:
    ledger, candidate, evaluation = Ledger(places.ledger), _candidate(places), _evaluation(places)
    champion = ledger.current()
    comparison = _compared(places, params, ledger.get(champion).document, load) if champion else None
    decision = decide(evaluation, comparison, withdrawn(ledger, candidate), params.gate)
    return {
        "files": copies.digests(candidate, evaluation),
        "metrics": {name: evaluation[name] for name in HEADLINE},
        "baselines": evaluation["baselines"],
        "intervals": evaluation["intervals"],
        "evaluation": evaluation,
        "champion": champion,
        "comparison": comparison and dataclasses.asdict(comparison),
        "decision": decision.as_dict(),
    }


def _compared(places: Places, params: Params, champion: Mapping[str, Any], load: Loading) -> Comparison:
    data = places.root / "data"
    files.trusted(data / "splits", made_by="split")
    texts = {record.id: record.text for record in tables.read_texts(data / "splits" / "test.parquet")}
    answered = tables.read_rows(data / "evaluation" / "predictions.parquet")
    if set(answered["id"]) != set(texts):
        raise Fault("data/evaluation and data/splits hold different texts. Make the first anew with `tonewatch stage evaluate`.")
    answering = load(copies.verified(places, champion))
    theirs = list(answering.predict([texts[name] for name in answered["id"]]).labels)
    # A champion may know labels that today's texts no longer have; its answers there are simply wrong.
    names = list(dict.fromkeys([*params.collect.labels, *theirs]))
    index = {name: number for number, name in enumerate(names)}
    truth, mine, their = ([index[label] for label in column] for column in (answered["label"], answered["guess"], theirs))
    pair = Pair(truth, mine, their, answered["group"])
    return compare(pair, champion=champion["release"], labels=len(names), gate=params.gate, seed=params.seed)


def _candidate(places: Places) -> dict[str, str]:
    return dict(files.trusted(places.root / "data" / "candidate", made_by="compress").files)


def _identity(places: Places, data_version: str) -> str:
    made_of = {
        "candidate": _candidate(places),
        "data_version": data_version,
        "params": _digest(_plain(load_params(places.params))),
        "evaluation": _digest(_evaluation(places)),
        "gate": code_digest("pipeline.evaluate.gate", "decide"),
    }
    return _digest(made_of)


def _plain(params: Params) -> dict[str, Any]:
    return params.model_dump(mode="json", by_alias=True)


def _evaluation(places: Places) -> dict[str, Any]:
    folder = places.root / "data" / "evaluation"
    files.trusted(folder, made_by="evaluate")
    return dict(files.read_json(folder / "evaluation.json"))


def _history(folder: Path) -> list[dict[str, float]]:
    path = folder / "history.json"
    return list(files.read_json(path)) if path.is_file() else []


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
