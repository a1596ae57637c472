"""Gather the evidence that the gate decides on: files of the working tree, the ledger, the comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict, get_args

from pipeline.base.config import Params, Workspace
from pipeline.base.data_account import DataAccount
from pipeline.base.documents import (
    CompressionMenu,
    CostRecord,
    DataCheckRecord,
    GateEvidence,
    ReleaseRecord,
    TrainingRecord,
)
from pipeline.base.tasks import SINGLE_LABEL, TaskName
from pipeline.base.tasks.scores import valid_score
from pipeline.core.gate.anchors import choose_anchors
from pipeline.core.gate.decision import RULES
from pipeline.io import files
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.ledger_entries import ChampionMove, Release
from pipeline.io.training.stage_costs import StageCosts
from pipeline.release.compare import ComparisonTask, compare_with_champion
from pipeline.release.evaluated_texts import JudgedTexts
from pipeline.release.looks import recorded_budget
from pipeline.release.predicting import PredictorLoader
from pipeline.release.register import candidate_digests, read_evaluation
from pipeline.stages.table import STAGES


@dataclass(frozen=True)
class LedgerView:
    """The ledger's releases and moves at one time; a judgement rests on them."""

    releases: Sequence[Release]
    moves: Sequence[ChampionMove]

    @classmethod
    def read(cls, ledger: Ledger) -> "LedgerView":
        """Read the ledger."""
        return cls(ledger.releases(), ledger.moves())

    @property
    def champion(self) -> ReleaseRecord | None:
        """Return the release in service."""
        return self._records[self.moves[-1].target] if self.moves else None

    @property
    def earlier_champions(self) -> list[ReleaseRecord]:
        """Return the releases that served before and were not rolled back, the newest first."""
        rolled_back = {move.origin for move in self.moves if move.is_rollback}
        served = dict.fromkeys(move.target for move in reversed(self.moves))
        return [self._records[name] for name in list(served)[1:] if name not in rolled_back]

    @property
    def _records(self) -> dict[str, ReleaseRecord]:
        return {release.name: release.record for release in self.releases}


def gather_evidence(
    workspace: Workspace,
    params: Params,
    view: LedgerView,
    texts: JudgedTexts,
    *,
    data_version: str,
    load: PredictorLoader,
) -> GateEvidence:
    """Gather everything the gate decides on; the comparison is one look at the test split."""
    menu, champion, gate = read_menu(workspace), view.champion, params.gate
    comparison = None
    if champion is not None:
        records = [release.record for release in view.releases]
        budget = recorded_budget(records, texts.split, gate, data_version=data_version)
        anchors = choose_anchors(champion, view.earlier_champions, limit=gate.anchors)
        task = ComparisonTask(texts.compared, data_version, champion, anchors, budget.next_look())
        comparison = compare_with_champion(workspace, params, task, load)
    return {
        "rules": RULES,
        "evaluation": read_evaluation(workspace),
        "variant": next(variant for variant in menu["variants"] if variant["name"] == menu["chosen"]),
        "checks": _data_checks(workspace),
        "previously_rolled_back": previously_rolled_back(view, candidate_digests(workspace)),
        "comparison": comparison,
    }


def previously_rolled_back(view: LedgerView, digests: Mapping[str, str]) -> str | None:
    """Return who rolled back a candidate with these files and why; None where nobody did or it serves."""
    left = _last_departure(view, digests)
    if left is None or not left.is_rollback:
        return None
    return (
        f"This very candidate is {left.origin}, and {left.actor} rolled it back to {left.target} "
        f"at {left.time} ({left.reason}). To serve it again, type `tonewatch release promote {left.origin}`."
    )


def read_menu(workspace: Workspace) -> CompressionMenu:
    """Read the compression menu of the candidate in the working tree."""
    menu: CompressionMenu = files.read_json(workspace.root / "data" / "candidate" / "menu.json")
    return menu


class Origins(TypedDict):
    """What the receipts of data and training say."""

    account: list[str]
    training: TrainingRecord | None


def read_origins(workspace: Workspace, params: Params, champion: ReleaseRecord | None) -> Origins:
    """Read what became of every row, how the candidate was trained, and what it cost."""
    account = DataAccount.of_notes(files.read_receipt(workspace.root / "data" / "splits").notes)
    training = _training(workspace, params, champion)
    return {"account": account.lines() if account else [], "training": training}


def _training(workspace: Workspace, params: Params, champion: ReleaseRecord | None) -> TrainingRecord | None:
    """Return nothing of a classifier of an earlier version."""
    receipt = files.verified_receipt(workspace.root / "data" / "classifier", made_by="finetune")
    if "trained_parameters" not in receipt.counts:
        return None
    score = next(name for name in map(valid_score, get_args(TaskName)) if name in receipt.figures)
    prefix = f"{score}/"
    scores = {
        name.removeprefix(prefix): value for name, value in receipt.figures.items() if name.startswith(prefix)
    }
    training: TrainingRecord = {
        "method": receipt.notes["method"],
        "trained": receipt.counts["trained_parameters"],
        "parameters": receipt.counts["parameters"],
        "score": receipt.figures[score],
        "seeds": {name: score for name, score in scores.items() if name.startswith("seed-")},
        "cost": _cost(workspace, params, champion),
    }
    return training if score == valid_score(SINGLE_LABEL) else {**training, "name": score}


def _cost(workspace: Workspace, params: Params, champion: ReleaseRecord | None) -> CostRecord:
    costs = StageCosts(workspace.home)
    receipts = [
        files.read_receipt(workspace.root / stage.out) for stage in STAGES if stage.name != "identity"
    ]
    known = [cost for receipt in receipts if (cost := costs.find(receipt))]
    split = next(receipt for receipt in receipts if receipt.stage == "split")
    audits = [source.name for source in params.collect.sources if source.kind == "audit"]
    labels = sum(split.counts.get(f"train/source/{name}", 0) for name in audits)
    training = champion.get("training") if champion else None
    before = training["cost"]["audit_labels"] if training and "cost" in training else None
    return {
        "stages": len(known),
        "seconds": round(sum(cost.seconds for cost in known), 1),
        "core_hours": round(sum(cost.seconds * cost.cores for cost in known) / 3600, 4),
        "audit_labels": labels,
        "more_audit_labels": None if before is None else labels - before,
    }


def _last_departure(view: LedgerView, digests: Mapping[str, str]) -> ChampionMove | None:
    """Return the last move away from a release with these files; None where such a release serves now."""
    last: ChampionMove | None = None
    for release in view.releases:
        if digests.items() <= release.record["files"].items():
            if view.moves and release.name == view.moves[-1].target:
                return None
            last = next((move for move in reversed(view.moves) if move.origin == release.name), last)
    return last


def _data_checks(workspace: Workspace) -> list[DataCheckRecord]:
    folder = workspace.root / "data" / "validation"
    files.verified_receipt(folder, made_by="validate")
    return [
        {"name": check["name"], "passed": check["passed"], "sentence": check["sentence"]}
        for check in files.read_json(folder / "checks.json")
    ]
