"""Judge a candidate: compare it with the champion, let the gate decide, record the decision."""

from dataclasses import dataclass
from typing import TypedDict, get_args

from pipeline.base.config import GateConfig, Params, Workspace
from pipeline.base.data_account import DataAccount
from pipeline.base.digests import json_digest
from pipeline.base.documents import (
    CandidateRecord,
    GateEvidence,
    ModelSettings,
    PublishedScores,
    ReleaseRecord,
    ServingThresholds,
    TrainingRecord,
)
from pipeline.base.documents.scores import valid_score
from pipeline.base.errors import Fault
from pipeline.base.tasks import SINGLE_LABEL, TaskName
from pipeline.core.evaluate.report import ScoredTexts
from pipeline.core.gate.decision import RULES, GateDecision, decide, decide_by_earlier_rules
from pipeline.core.tasks import task_named
from pipeline.inference.load import load_predictor
from pipeline.io import files
from pipeline.io.params_file import load_params
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.open_registry import open_registry
from pipeline.io.workspace_id import workspace_identity
from pipeline.release.evaluated_texts import EvaluatedTexts, JudgedTexts, read_judged_texts
from pipeline.release.evidence import LedgerView, gather_evidence, read_menu
from pipeline.release.predicting import PredictorLoader
from pipeline.release.register import (
    candidate_digests,
    candidate_identity,
    headline_metrics,
    read_evaluation,
    release_params,
)

ATTEMPTS = 5  # to add a verdict to a ledger that other processes extend meanwhile


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
    lineage: CandidateLineage


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
    judgement = _Judgement(identity, actor, reason, name, lineage)
    for _ in range(ATTEMPTS):
        if release is not None:
            break
        view = LedgerView.read(ledger)
        record = _judged_record(workspace, view, judgement, load or load_predictor)
        # A verdict recorded meanwhile may have been a look at the same test split: then this one is another.
        release = ledger.add_following(record, len(view.releases))
    if release is None:
        raise Fault("Other processes keep adding releases to the ledger. Type `tonewatch run` again.")
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


def redecide(evidence: GateEvidence, gate: GateConfig) -> GateDecision:
    """Decide again from the evidence in a release record alone, by the rules that it was judged by."""
    rules = decide if evidence.get("rules") == RULES else decide_by_earlier_rules
    return rules(evidence, evidence["comparison"], gate)


def _champion(ledger: Ledger) -> ReleaseRecord | None:
    name = ledger.champion()
    return ledger.get(name).record if name else None


def _equals_candidate(workspace: Workspace, champion: ReleaseRecord, data_version: str) -> bool:
    return champion["data_version"] == data_version and champion["files"] == release_files.release_digests(
        candidate_digests(workspace), read_evaluation(workspace)
    )


def _judged_record(
    workspace: Workspace, view: LedgerView, judgement: _Judgement, load: PredictorLoader
) -> CandidateRecord:
    params = load_params(workspace.params)
    texts = read_judged_texts(workspace.root / "data", reserve=params.gate.reserve)
    evidence = gather_evidence(
        workspace, params, view, texts, data_version=judgement.lineage.data_version, load=load
    )
    return _candidate_record(workspace, params, evidence, judgement, texts)


def _published(reserve: EvaluatedTexts, params: Params) -> PublishedScores | None:
    """Open the reserve: measure the accepted candidate on texts that no comparison has seen."""
    truth = [record.label for record in reserve.records]
    task = task_named(params.task)
    table = task.table(params.collect.labels, truth, reserve.predicted)
    scored = ScoredTexts(
        labels=params.collect.labels if table.items else table.names,
        truth=table.numbers(truth),
        predicted=table.numbers(reserve.predicted),
        groups=[record.group for record in reserve.records],
        sources=[record.source for record in reserve.records],
        items=table.items,
    )
    return task.published(scored, params.evaluate, params.seed)


def _candidate_record(
    workspace: Workspace,
    params: Params,
    evidence: GateEvidence,
    judgement: _Judgement,
    texts: JudgedTexts,
) -> CandidateRecord:
    decision = redecide(evidence, params.gate)
    evaluation, identity = evidence["evaluation"], workspace_identity(workspace)
    return {
        **evidence,
        "schema": 2,
        "identity": judgement.identity,
        "actor": judgement.actor,
        "reason": judgement.reason,
        "champion": judgement.champion,
        "data_version": judgement.lineage.data_version,
        "model": open_registry(workspace).name,
        "model_version": judgement.lineage.model_version,
        "workspace": identity.id,
        "host": identity.host,
        "code_commit": judgement.lineage.code_commit,
        "params": workspace.params.read_text("utf-8"),
        "params_digest": json_digest(release_params(params)),
        "lock": read_lock(workspace),
        "signature": release_files.sign_candidate(workspace),
        "files": release_files.release_digests(candidate_digests(workspace), evaluation),
        "metrics": headline_metrics(evaluation),
        "baselines": evaluation["baselines"],
        "intervals": evaluation["intervals"],
        "menu": read_menu(workspace),
        "thresholds": _thresholds(workspace),
        "teacher": _model_settings(workspace)["teacher"],
        "approval": params.gate.approval,
        "decision": decision.record(),
        "test": texts.split,
        **_origins(workspace),
        "published": _published(texts.reserve, params) if decision.accepted else None,
    }


class _Origins(TypedDict):
    """What the receipts of data and training say."""

    account: list[str]
    training: TrainingRecord | None


def _origins(workspace: Workspace) -> _Origins:
    account = DataAccount.of_notes(files.read_receipt(workspace.root / "data" / "splits").notes)
    return {"account": account.lines() if account else [], "training": _training(workspace)}


def _training(workspace: Workspace) -> TrainingRecord | None:
    receipt = files.verified_receipt(workspace.root / "data" / "classifier", made_by="finetune")
    if "trained_parameters" not in receipt.counts:
        return None
    score = next(name for name in map(valid_score, get_args(TaskName)) if name in receipt.figures)
    prefix = f"{score}/"
    scores = {
        name.removeprefix(prefix): score for name, score in receipt.figures.items() if name.startswith(prefix)
    }
    training: TrainingRecord = {
        "method": receipt.notes["method"],
        "trained": receipt.counts["trained_parameters"],
        "parameters": receipt.counts["parameters"],
        "score": receipt.figures[score],
        "seeds": {name: score for name, score in scores.items() if name.startswith("seed-")},
    }
    return training if score == valid_score(SINGLE_LABEL) else {**training, "name": score}


def _model_settings(workspace: Workspace) -> ModelSettings:
    settings: ModelSettings = files.read_json(workspace.root / "data" / "candidate" / "model.json")
    return settings


def _thresholds(workspace: Workspace) -> ServingThresholds:
    settings = _model_settings(workspace)
    return {"temperature": settings["temperature"], "uncertain": settings["uncertain"]}
