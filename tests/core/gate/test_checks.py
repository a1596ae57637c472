"""The questions that need no champion, one fault at a time."""

from typing import Any

import pytest
from judged import GATE, candidate, champion, measured, named, refused

from pipeline.core.gate.decision import decide


@pytest.mark.parametrize(
    ("changed", "name", "reason", "missing", "unit"),
    [
        (
            candidate(0.71),
            "floor",
            "Macro F1 is 0.710, below the floor of 0.720 (gate.min_macro_f1).",
            0.01,
            "macro F1",
        ),
        (
            candidate(0.75, tfidf=0.76),
            "baseline tfidf",
            "Macro F1 is 0.750 and tfidf reaches 0.760: the baseline is not beaten.",
            0.01,
            "macro F1",
        ),
        (
            measured(behaviour={"negation": {"pass_rate": 0.55}, "typos": {"pass_rate": 0.8}}),
            "ability negation",
            "The pass rate of ability negation is 55.0%, below the floor of 60.0% (gate.abilities).",
            0.05,
            "pass rate",
        ),
        (
            measured(behaviour={"negation": {"pass_rate": 0.6}}),
            "ability typos",
            "The pass rate of ability typos was not measured, and gate.abilities bounds it.",
            None,
            "",
        ),
        (
            measured(attack={"fall": 0.45}),
            "attack",
            "The fall of macro F1 under attack is 0.450, above the limit of 0.300 (gate.max_attack_drop).",
            0.15,
            "macro F1 under attack",
        ),
        (
            measured(calibration={"ece": 0.1}),
            "calibration",
            "The expected calibration error is 0.100, above the limit of 0.080 (gate.max_calibration_error).",
            0.02,
            "calibration error",
        ),
        (
            candidate(cost={"p95_ms": 71.0, "megabytes": 8.0}),
            "latency",
            "The 95th percentile of milliseconds for one text is 71.0, above the limit of 50.0 (gate.max_p95_ms).",
            21.0,
            "ms",
        ),
        (
            candidate(cost={"p95_ms": 50.0, "megabytes": 86.5}),
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
            candidate(withdrawn="ada went back from it (complaints)."),
            "withdrawn",
            "ada went back from it (complaints).",
            None,
            "",
        ),
    ],
)
def test_one_fault_refuses_for_that_alone_and_says_what_was_missing(
    changed: dict[str, Any], name: str, reason: str, missing: float | None, unit: str
) -> None:
    decision = decide(changed, champion(), GATE)

    assert refused(decision) == [name]
    assert decision.reasons == (reason,)
    assert (named(decision, name).missing, named(decision, name).unit) == (
        missing if missing is None else pytest.approx(missing),
        unit,
    )


def test_a_margin_above_the_baselines_is_asked_for() -> None:
    strict = GATE.model_copy(update={"baseline_margin": 0.05})
    assert decide(candidate(0.77, tfidf=0.73), None, strict).reasons == (
        "Macro F1 is 0.770 and tfidf reaches 0.730: the baseline is not beaten by more than 0.050 (gate.baseline_margin).",
    )


def test_an_ability_without_a_floor_is_no_question_and_neither_is_an_attack_that_was_not_made() -> None:
    decision = decide(measured(attack=None), None, GATE)
    assert decision.accepted
    assert "ability emoji" not in {part.name for part in decision.parts}
    assert (
        named(decision, "attack").sentence == "The candidate was not attacked, so there is no fall to bound."
    )
