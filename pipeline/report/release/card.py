"""Build the card of a release: what was compared, decided and measured, and what it is for.

Page, Markdown and JSON are rendered from it. Every value is taken by its name, so nothing else of a record,
and no text that a person wrote, gets in. What an older record lacks is None or empty.
"""

from collections.abc import Sequence

import yaml

from pipeline.base.config.parsing import read_yaml
from pipeline.base.documents import (
    AgreementScores,
    CalibrationBin,
    CompressionMenu,
    DataCheckRecord,
    Difference,
    EvaluationReport,
    GateCheckRecord,
    HumanAgreement,
    MenuVariant,
    ModelScores,
    PanelAgreement,
    ReleaseRecord,
    Scores,
    SliceDropRecord,
    SubsetScores,
    TeacherFigures,
)
from pipeline.base.documents.card import (
    BaselineScores,
    CardAbility,
    CardAttack,
    CardCalibration,
    CardComparison,
    CardDecision,
    CardLabel,
    CardMetrics,
    CardSlice,
    CardSubject,
    ReleaseCard,
    Verdict,
)
from pipeline.base.earlier_params.renamed_keys import upgrade_params_text
from pipeline.base.tasks.scores import LOG_LIKELIHOOD, MACRO_F1
from pipeline.report.fields import get_path, pick
from pipeline.report.release import intended_use, lineage
from pipeline.report.release.comparison import comparison_card
from pipeline.report.release.task_figures import task_sentences
from pipeline.report.release.training import gain_of, training_sentences

SHOWN_SCORES = (MACRO_F1, LOG_LIKELIHOOD, "accuracy")


def build_card(release: ReleaseRecord) -> ReleaseCard:
    """Build the card from a release's record with its moves, approvals and data version."""
    params = _params(release)
    evaluation = release["evaluation"]
    comparison = comparison_card(release.get("comparison"), rule=get_path(params, "gate", "against_champion"))
    variant = release.get("variant")
    card = pick(
        ReleaseCard,
        release,
        verdict=verdict(release),
        compared=_subject(release, comparison),
        decision=_decision(release),
        comparison=comparison,
        metrics=_metrics(evaluation, params),
        labels=[
            pick(CardLabel, evaluation["per_class"][label], label=label) for label in evaluation["labels"]
        ],
        slices=_slices(evaluation),
        confusion=evaluation["confusion"],
        task_figures=task_sentences(evaluation),
        training=training_sentences(release.get("training"), gain_of(release)),
        calibration=_calibration(evaluation, params),
        behaviour=_behaviour(evaluation, params),
        attack=_attack(evaluation, params),
        human=_human(evaluation),
        menu=_menu(release),
        variant=_variant(variant) if variant else None,
        thresholds=dict(get_path(release, "thresholds") or {}),
        checks=[pick(DataCheckRecord, check) for check in release.get("checks") or ()],
        data=lineage.data_card(release, params),
        lineage=lineage.lineage_card(release),
    )
    card["intended_use"] = intended_use.intended_use(card, params)
    card["limits"] = intended_use.limits(card, params)
    return card


def verdict(release: ReleaseRecord) -> Verdict:
    """Return whether a candidate was accepted or refused, or waits for a person's approval."""
    if not release["decision"]["accepted"]:
        return "refused"
    moves = get_path(release, "moves") or ()
    served = any(release.get("release") in (move.get("from"), move.get("to")) for move in moves)
    approved = release.get("approval") != "human" or bool(get_path(release, "approvals"))
    return "accepted" if approved or served else "waiting"


def gate_limit(checks: Sequence[GateCheckRecord], name: str) -> float | None:
    """Return a limit of the gate from the figures it recorded; None if no check has it."""
    return next((check["figures"][name] for check in checks if name in check["figures"]), None)


def _params(release: ReleaseRecord) -> object:
    """Parse the params of the release, whatever today's params are; an empty mapping if that fails."""
    try:
        return read_yaml(upgrade_params_text(release.get("params") or ""))
    except yaml.YAMLError:
        return {}


def _subject(release: ReleaseRecord, comparison: CardComparison | None) -> CardSubject:
    texts = (comparison and comparison["texts"]) or release["evaluation"]["texts"]
    return pick(
        CardSubject,
        release,
        candidate=release["release"],
        variant=get_path(release, "variant", "name"),
        champion=comparison["champion"] if comparison else release.get("champion"),
        texts=texts,
    )


def _decision(release: ReleaseRecord) -> CardDecision:
    decision = release["decision"]
    checks = [
        pick(GateCheckRecord, check, figures=dict(check.get("figures") or {}))
        for check in decision.get("checks") or ()
    ]
    failed = [check["name"] for check in checks if not check["passed"]]
    return pick(
        CardDecision, decision, checks=checks, failed=failed, reasons=list(decision.get("reasons") or ())
    )


def _metrics(evaluation: EvaluationReport, params: object) -> CardMetrics:
    baselines = [
        pick(BaselineScores, _model_scores(scores), name=name)
        for name, scores in (evaluation.get("baselines") or {}).items()
    ]
    return pick(
        CardMetrics,
        _model_scores(evaluation),
        texts=evaluation["texts"],
        confidence=get_path(params, "evaluate", "confidence"),
        baselines=baselines,
    )


def _model_scores(scores: ModelScores) -> ModelScores:
    intervals = scores.get("intervals") or {}
    per_source = scores.get("per_source") or {}
    return pick(
        ModelScores,
        scores,
        intervals={name: intervals[name] for name in SHOWN_SCORES if intervals.get(name)},
        per_source={name: pick(SubsetScores, row) for name, row in per_source.items()},
        gain=pick(Difference, gain) if (gain := scores.get("gain")) else None,
    )


def _slices(evaluation: EvaluationReport) -> list[CardSlice]:
    """List the slices; a report without any has its sources."""
    slices = evaluation.get("slices") or {
        f"source={name}": row for name, row in evaluation["per_source"].items()
    }
    return [pick(CardSlice, row, name=name) for name, row in slices.items()]


def _calibration(evaluation: EvaluationReport, params: object) -> CardCalibration | None:
    calibration = evaluation["calibration"]
    if calibration is None:
        return None
    return pick(
        CardCalibration,
        calibration,
        bins=[pick(CalibrationBin, row) for row in calibration["bins"]],
        limit=get_path(params, "gate", "max_calibration_error"),
    )


def _behaviour(evaluation: EvaluationReport, params: object) -> list[CardAbility]:
    required = get_path(params, "gate", "abilities") or {}
    return [
        pick(CardAbility, row, ability=name, required=required.get(name))
        for name, row in (evaluation.get("behaviour") or {}).items()
    ]


def _attack(evaluation: EvaluationReport, params: object) -> CardAttack | None:
    attack = evaluation.get("attack")
    return pick(CardAttack, attack, limit=get_path(params, "gate", "max_attack_drop")) if attack else None


def _human(evaluation: EvaluationReport) -> HumanAgreement | None:
    human = evaluation.get("human")
    if not human:
        return None
    per_source = {name: _agreement(row) for name, row in (human.get("per_source") or {}).items()}
    return pick(HumanAgreement, {**human, **_agreement(human)}, per_source=per_source)


def _agreement(row: AgreementScores) -> AgreementScores:
    scores = {
        who: pick(Scores, found)
        for who in ("candidate", "limit", "one_rater", "ceiling")
        if (found := get_path(row, who))
    }
    panels = [
        pick(
            PanelAgreement,
            panel,
            panel=pick(Scores, panel["panel"]),
            candidate=pick(Scores, panel["candidate"]),
        )
        for panel in row.get("panels") or ()
    ]
    return pick(AgreementScores, {"candidate": pick(Scores, {}), **scores}, panels=panels)


def _variant(variant: MenuVariant) -> MenuVariant:
    worst = variant.get("worst_slice")
    return pick(MenuVariant, variant, worst_slice=pick(SliceDropRecord, worst) if worst else None)


def _menu(release: ReleaseRecord) -> CompressionMenu | None:
    menu = get_path(release, "menu")
    if not menu:
        return None
    return pick(
        CompressionMenu,
        menu,
        teacher=pick(TeacherFigures, menu.get("teacher") or {}),
        reasons=list(menu.get("reasons") or ()),
        variants=[_variant(variant) for variant in menu.get("variants") or ()],
    )
