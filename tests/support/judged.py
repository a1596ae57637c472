"""The evidence of a gate, with figures that pass until a test changes one."""

from typing import Any

from pipeline.base.config import GateConfig
from pipeline.core.gate.checks import GateCheck
from pipeline.core.gate.decision import GateDecision

GATE = GateConfig.model_validate(
    {
        "approval": "none",
        "against_champion": "better",
        "champion_margin": 0.005,
        "slice_margin": 0.03,
        "forgetting_margin": 0.04,
        "ability_margin": 0.1,
        "attack_margin": 0.05,
        "anchors": 3,
        "looks": 52,
        "new_test_share": 0.5,
        "reserve": 0.2,
        "min_macro_f1": 0.72,
        "baseline_margin": 0.0,
        "abilities": {"negation": 0.6, "typos": 0.8},
        "max_attack_drop": 0.3,
        "max_calibration_error": 0.08,
        "max_p95_ms": 50.0,
        "max_megabytes": 20.0,
        "confidence": 0.95,
        "power": 0.8,
        "resamples": 400,
        "changed_listed": 10,
        "golden_tolerance": 0.01,
        "ordinal": {"max_mean_error": 0.5, "min_weighted_kappa": 0.4, "error_margin": 0.05},
        "items": {"min_label_f1": 0.3},
        "generation": {"max_perplexity": 50.0, "min_chrf": 0.2, "overlap_margin": 0.05},
    }
)


def gain(macro_f1: float, baseline: float, half: float = 0.02) -> dict[str, float]:
    difference = macro_f1 - baseline
    figures = {"candidate": macro_f1, "champion": baseline, "difference": difference}
    return {**figures, "low": difference - half, "high": difference + half}


def candidate(macro_f1: float = 0.77, *, tfidf: float = 0.63, **changes: Any) -> dict[str, Any]:
    evaluation = {
        "macro_f1": macro_f1,
        "intervals": {"macro_f1": [macro_f1 - 0.02, macro_f1 + 0.02]},
        "baselines": {"tfidf": {"gain": gain(macro_f1, tfidf)}, "vader": {"gain": gain(macro_f1, 0.57)}},
        "behaviour": {
            "negation": {"passed": 49, "cases": 70, "pass_rate": 0.7, "low": 0.6, "high": 0.8},
            "typos": {"passed": 63, "cases": 70, "pass_rate": 0.9, "low": 0.8, "high": 0.95},
            "emoji": {"passed": 7, "cases": 70, "pass_rate": 0.1, "low": 0.04, "high": 0.2},
        },
        "attack": {"fall": 0.12, "low": 0.09, "high": 0.15},
        "calibration": {
            "debiased": {"error": 0.02, "low": 0.0, "high": 0.035, "texts": 3342},
            "per_source": {"movie": {"error": 0.05, "low": 0.03, "high": 0.09, "texts": 800}},
        },
    }
    checks = [
        {"name": "language", "passed": True, "sentence": "…"},
        {"name": "duplicates", "passed": True, "sentence": "…"},
    ]
    evidence = {
        "evaluation": evaluation,
        "variant": {"p95_ms": 12.3, "megabytes": 8.14},
        "checks": checks,
        "previously_rolled_back": None,
    }
    return {**evidence, **changes}


def measured(**changes: Any) -> dict[str, Any]:
    return candidate(evaluation={**candidate()["evaluation"], **changes})


def entry(
    name: str, difference: float, p_adjusted: float = 1.0, lower: float = 0.0, standard_error: float = 0.01
) -> dict[str, Any]:
    """Return a row of slices; by default the lower bound rules the drop out."""
    return {
        "name": name,
        "against": "R1",
        "texts": 1612,
        "champion": 0.75,
        "candidate": 0.75 + difference,
        "difference": difference,
        "low": difference - 0.02,
        "high": difference + 0.02,
        "p": p_adjusted,
        "p_adjusted": p_adjusted,
        "standard_error": standard_error,
        "lower": lower,
        "state": "not worse",
        "minimum_detectable": 0.05,
    }


def champion(difference: float = 0.02, *, lower: float = 0.008, **changes: Any) -> dict[str, Any]:
    figures = {"champion": 0.75, "candidate": 0.75 + difference, "difference": difference}
    ends = {"low": difference - 0.012, "high": difference + 0.012, "lower": lower}
    return {
        "champion": "R1",
        "texts": 3342,
        "confidence": 0.95,
        "power": 0.8,
        "margin": 0.03,
        "forgetting_margin": 0.04,
        "ability_margin": 0.1,
        "attack_margin": 0.05,
        "look": {"number": 3, "allowed": 52, "level": 0.0037},
        "anchors": [],
        "left_out": [{"release": "R1", "texts": 0, "unknown": None}],
        "macro_f1": {**figures, **ends, "minimum_detectable": 0.018},
        "mcnemar": {"only_candidate": 200, "only_champion": 180, "p": 0.3},
        "slices": [entry("source=movie", -0.01), entry("class=negative", 0.02)],
        "forgetting": [{**entry("source=movie", -0.01), "data_version": ""}],
        "abilities": [entry("negation", 0.0)],
        "attack": [entry("attack", 0.01)],
        "changed": {"count": 400, "fixed": 200, "broken": 180, "texts": []},
        **changes,
    }


def named(decision: GateDecision, name: str) -> GateCheck:
    (check,) = (check for check in decision.checks if check.name == name)
    return check


def failed(decision: GateDecision) -> list[str]:
    return [check.name for check in decision.checks if not check.passed]
