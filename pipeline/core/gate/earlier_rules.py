"""The rules of earlier versions, to verify the decisions that were made by them.

No candidate is judged by these: they compare point estimates with limits, count every look as the first, and
test slices by Holm (1979) against the last champion. Sentences are left out; nothing is compared with them.
"""

import math
from collections.abc import Iterator, Mapping

from pipeline.base.config import GateConfig
from pipeline.core.gate.checks import GateCheck, Limit, get_number, make_check

Evidence = Mapping[str, object]


def earlier_checks(candidate: Evidence, comparison: Evidence | None, gate: GateConfig) -> list[GateCheck]:
    """Make the checks that rest on another rule today, by the name they were stored under."""
    evaluation = candidate.get("evaluation")
    return [
        _floor("macro_f1", "min_macro_f1", gate.min_macro_f1).floor(
            "floor", get_number(evaluation, "macro_f1")
        ),
        *_baselines(evaluation, gate),
        _champion(comparison, gate),
        _drops("slices", "slice_margin", gate.slice_margin, comparison, gate),
        _drops("forgetting", "forgetting_margin", gate.forgetting_margin, comparison, gate),
        *_abilities(evaluation, gate),
        _attack(evaluation, gate),
        Limit(
            "ece", "", "max_calibration_error", gate.max_calibration_error, "calibration error", ""
        ).ceiling("calibration", get_number(evaluation, "calibration", "ece")),
    ]


def _floor(figure: str, setting: str, value: float) -> Limit:
    return Limit(figure, "", setting, value, "macro F1", "")


def _baselines(evaluation: object, gate: GateConfig) -> Iterator[GateCheck]:
    macro_f1, margin = get_number(evaluation, "macro_f1"), gate.baseline_margin
    baselines = evaluation.get("baselines") if isinstance(evaluation, Mapping) else None
    if not isinstance(baselines, Mapping):
        yield make_check("baseline", False, {}, "")
        return
    for name in sorted(baselines):
        baseline = get_number(baselines, name, "macro_f1")
        figures = {"macro_f1": macro_f1, "baseline_macro_f1": baseline, "baseline_margin": margin}
        shortfall = baseline + margin - macro_f1
        passed = macro_f1 > baseline + margin
        yield make_check(f"baseline {name}", passed, figures, "", shortfall=shortfall, unit="macro F1")


def _abilities(evaluation: object, gate: GateConfig) -> Iterator[GateCheck]:
    for name, floor in sorted(gate.abilities.items()):
        limit = Limit("pass_rate", "", "abilities", floor, "pass rate", "")
        yield limit.floor(f"ability {name}", get_number(evaluation, "behaviour", name, "pass_rate"))


def _attack(evaluation: object, gate: GateConfig) -> GateCheck:
    if not isinstance(evaluation, Mapping) or evaluation.get("attack") is None:
        return make_check("attack", True, {}, "")
    limit = Limit("drop", "", "max_attack_drop", gate.max_attack_drop, "macro F1 under attack", "")
    return limit.ceiling("attack", get_number(evaluation, "attack", "fall"))


def _champion(comparison: Evidence | None, gate: GateConfig) -> GateCheck:
    if comparison is None:
        return make_check("champion", True, {}, "")
    names = ("candidate", "champion", "difference", "low", "high", "minimum_detectable")
    figures = {name: get_number(comparison, "macro_f1", name) for name in names}
    figures |= {
        "texts": get_number(comparison, "texts"),
        "confidence": gate.confidence,
        "champion_margin": gate.champion_margin,
    }
    low, margin = figures["low"], gate.champion_margin
    unmeasured = any(math.isnan(figures[name]) for name in ("difference", "low", "high"))
    if unmeasured or _made_otherwise(comparison, gate):
        return make_check("champion", False, figures, "")
    if gate.against_champion == "not_worse":
        passed, shortfall = low > -margin, -margin - low
    else:
        passed, shortfall = low > 0, -low if low < 0 else figures["minimum_detectable"]
    return make_check("champion", passed, figures, "", shortfall=shortfall, unit="macro F1")


def _drops(
    name: str, setting: str, margin: float, comparison: Evidence | None, gate: GateConfig
) -> GateCheck:
    if comparison is None:
        return make_check(name, True, {}, "")
    rows = comparison.get(name)
    if _made_otherwise(comparison, gate) or not isinstance(rows, list | tuple):
        return make_check(name, False, {setting: margin}, "")
    worse = [row for row in rows if not get_number(row, "p_holm") > 1 - gate.confidence]
    figures = {"compared": float(len(rows)), "worse": float(len(worse)), setting: margin}
    if not worse:
        return make_check(name, True, figures, "")
    worst = max(worse, key=lambda row: _shortfall(row, margin))
    first = str(worst.get("name"))
    unit = f"{'F1' if first.startswith('class=') else 'macro F1'} of {first}"
    return make_check(name, False, figures, "", shortfall=_shortfall(worst, margin), unit=unit)


def _shortfall(row: Evidence, margin: float) -> float:
    bound = get_number(row, "bound")
    return math.inf if math.isnan(bound) else -margin - bound


def _made_otherwise(comparison: Evidence, gate: GateConfig) -> bool:
    settings = {
        "confidence": gate.confidence,
        "power": gate.power,
        "margin": gate.slice_margin,
        "forgetting_margin": gate.forgetting_margin,
    }
    return any(get_number(comparison, name) != value for name, value in settings.items())
