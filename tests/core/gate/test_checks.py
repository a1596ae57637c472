"""The checks that need no champion, one failure at a time."""

from typing import Any

import pytest
from judged import GATE, candidate, champion, failed, measured, named

from pipeline.core.gate.decision import decide


@pytest.mark.parametrize(
    ("evidence", "name", "reason", "shortfall", "unit"),
    [
        (
            candidate(0.71),
            "floor",
            "The lower end of the interval of macro F1 is 0.690, "
            "below the floor of 0.720 (gate.min_macro_f1).",
            0.03,
            "macro F1",
        ),
        (
            candidate(0.75, tfidf=0.76),
            "baseline tfidf",
            "Macro F1 of 0.750 does not beat the 0.760 of baseline tfidf: "
            "the lower end of the paired interval of the gain is -0.030.",
            0.03,
            "macro F1",
        ),
        (
            candidate(0.77, tfidf=0.76),
            "baseline tfidf",
            "Macro F1 of 0.770 does not significantly beat the 0.760 of baseline tfidf: "
            "the lower end of the paired interval of the gain is -0.010.",
            0.01,
            "macro F1",
        ),
        (
            measured(
                behaviour={
                    "negation": {"passed": 46, "cases": 70, "pass_rate": 0.66, "low": 0.55},
                    "typos": {"low": 0.8},
                }
            ),
            "ability negation",
            "The lower end of the interval of the pass rate of ability negation (46 of 70 cases) is 55.0%, "
            "below the floor of 60.0% (gate.abilities).",
            0.05,
            "pass rate",
        ),
        (
            measured(behaviour={"negation": {"low": 0.6}}),
            "ability typos",
            "The lower end of the interval of the pass rate of ability typos was not measured, "
            "but gate.abilities limits it.",
            None,
            "",
        ),
        (
            measured(attack={"fall": 0.2, "high": 0.45}),
            "attack",
            "The upper end of the interval of the drop of macro F1 under attack is 0.450, "
            "above the limit of 0.300 (gate.max_attack_drop).",
            0.15,
            "macro F1 under attack",
        ),
        (
            measured(calibration={"debiased": {"error": 0.06, "high": 0.1}}),
            "calibration",
            "The upper bound of the debiased calibration error is 0.100, "
            "above the limit of 0.080 (gate.max_calibration_error).",
            0.02,
            "calibration error",
        ),
        (
            measured(
                calibration={
                    "debiased": {"high": 0.05},
                    "per_source": {"movie": {"low": 0.0}, "nyt": {"low": 0.09}},
                }
            ),
            "calibration source=nyt",
            "The lower bound of the debiased calibration error on source nyt is 0.090, "
            "above the limit of 0.080 (gate.max_calibration_error).",
            0.01,
            "calibration error",
        ),
        (
            candidate(variant={"p95_ms": 71.0, "megabytes": 8.0}),
            "latency",
            "The 95th percentile of milliseconds for one text is 71.0, "
            "above the limit of 50.0 (gate.max_p95_ms).",
            21.0,
            "ms",
        ),
        (
            candidate(variant={"p95_ms": 50.0, "megabytes": 86.5}),
            "size",
            "The size in megabytes is 86.5, above the limit of 20.0 (gate.max_megabytes).",
            66.5,
            "MB",
        ),
        (
            candidate(
                checks=[
                    {"name": "language", "passed": False, "sentence": "…"},
                    {"name": "columns", "passed": True, "sentence": "…"},
                ]
            ),
            "data",
            "The data failed 1 of 2 checks: language.",
            None,
            "",
        ),
        (candidate(checks=[]), "data", "No check of the data is recorded.", None, ""),
        (
            candidate(previously_rolled_back="ada rolled it back (complaints)."),
            "rollback",
            "ada rolled it back (complaints).",
            None,
            "",
        ),
    ],
)
def test_one_failed_check_rejects_and_reports_its_shortfall(
    evidence: dict[str, Any], name: str, reason: str, shortfall: float | None, unit: str
) -> None:
    decision = decide(evidence, champion(), GATE)

    assert failed(decision) == [name]
    assert decision.reasons == (reason,)
    check = named(decision, name)
    assert check.shortfall == (shortfall if shortfall is None else pytest.approx(shortfall))
    assert check.unit == unit


def test_baselines_must_be_beaten_by_more_than_the_margin() -> None:
    strict = GATE.model_copy(update={"baseline_margin": 0.05})
    assert decide(candidate(0.77, tfidf=0.73), None, strict).reasons == (
        "Macro F1 of 0.770 does not beat the 0.730 of baseline tfidf "
        "by more than 0.050 (gate.baseline_margin): "
        "the lower end of the paired interval of the gain is +0.020.",
    )


def test_abilities_without_a_floor_and_absent_attacks_are_not_checked() -> None:
    decision = decide(measured(attack=None), None, GATE)
    assert decision.accepted
    assert "ability emoji" not in {check.name for check in decision.checks}
    sentence = "The candidate was not attacked, so there is no drop to limit."
    assert named(decision, "attack").sentence == sentence
