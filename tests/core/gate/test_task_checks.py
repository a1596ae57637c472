"""The checks that a task adds to those of every task."""

from typing import Any

import judged
from judged import GATE

from pipeline.core.gate.decision import decide
from pipeline.core.gate.task_checks import task_checks

SCALE = {"mean_absolute_error": 0.4, "weighted_kappa": 0.6}


def evaluation(error_high: float = 0.45, kappa_low: float = 0.5) -> dict[str, Any]:
    intervals = {"mean_absolute_error": [0.35, error_high], "weighted_kappa": [kappa_low, 0.7]}
    return {"task": "ordinal", "ordinal": {**SCALE, "intervals": intervals}}


def failed(evaluation: object, comparison: Any = None) -> list[str]:
    return [check.name for check in task_checks(evaluation, comparison, GATE) if not check.passed]


def row(difference: float, lower: float) -> dict[str, Any]:
    figures = {"difference": difference, "lower": lower, "standard_error": 0.01, "p_adjusted": 0.01}
    return {"name": "minus mean error", "against": "R1", "texts": 900, "champion": -0.3, **figures}


def writing(perplexity_high: float = 20.0, chrf_low: float = 0.3, references: int = 40) -> dict[str, Any]:
    intervals = {"perplexity": [15.0, perplexity_high], "chrf": [chrf_low, 0.6]}
    return {"task": "generation", "generation": {"references": references, "intervals": intervals}}


def test_what_a_model_writes_is_limited_by_perplexity_and_overlap() -> None:
    names = [check.name for check in task_checks(writing(), None, GATE)]

    assert names == ["perplexity", "overlap", "overlap champion"]
    assert failed(writing()) == []
    assert failed(writing(perplexity_high=50.1)) == ["perplexity"]
    assert failed(writing(chrf_low=0.19)) == ["overlap"]
    assert failed({"task": "generation", "generation": {}}) == ["perplexity", "overlap"]


def test_texts_that_stand_alone_have_no_overlap_to_limit() -> None:
    assert failed(writing(chrf_low=0.0, references=0)) == []


def test_a_model_without_labels_has_no_macro_f1_and_no_calibration_to_limit() -> None:
    evaluation = {**writing(), "log_likelihood": -2.5, "baselines": {}, "calibration": None}
    checks = {check.name: check for check in decide({"evaluation": evaluation}, None, GATE).checks}

    assert checks["floor"].passed
    assert checks["calibration"].passed
    assert "so there is no macro F1 to limit" in checks["floor"].sentence


def test_an_evaluation_without_a_task_has_no_further_check() -> None:
    assert list(task_checks({"macro_f1": 0.8}, None, GATE)) == []


def test_errors_within_their_limits_pass() -> None:
    names = [check.name for check in task_checks(evaluation(), None, GATE)]

    assert names == ["scale error", "scale agreement", "scale champion"]
    assert failed(evaluation()) == []


def test_errors_beyond_their_limits_are_refused() -> None:
    assert failed(evaluation(error_high=0.51)) == ["scale error"]
    assert failed(evaluation(kappa_low=0.39)) == ["scale agreement"]


def test_a_scale_that_was_not_measured_is_refused() -> None:
    assert failed({"task": "ordinal"}) == ["scale error", "scale agreement"]


def test_each_label_of_several_has_its_own_floor() -> None:
    intervals = {"food": [0.31, 0.6], "price": [0.29, 0.9]}
    found = {"task": "multi_label", "items": {"micro_f1": 0.7, "label_intervals": intervals}}

    assert [check.name for check in task_checks(found, None, GATE)] == ["label food", "label price"]
    assert failed(found) == ["label price"]
    assert failed({"task": "multi_label", "items": {"micro_f1": 0.7, "label_intervals": {}}}) == ["labels"]


def test_a_task_that_is_not_known_is_refused() -> None:
    assert failed({"task": "weather"}) == ["task"]


def test_a_candidate_farther_from_the_truth_than_the_champion_is_refused() -> None:
    comparison = judged.champion()

    assert failed(evaluation(), {**comparison, "task": [row(-0.08, -0.1)]}) == ["scale champion"]
    assert failed(evaluation(), {**comparison, "task": [row(0.02, 0.0)]}) == []
    # A comparison that lacks the rows says nothing about them.
    assert failed(evaluation(), comparison) == ["scale champion"]


def test_the_decision_holds_the_checks_of_the_task() -> None:
    candidate = judged.candidate()
    ordinal = {**candidate, "evaluation": {**candidate["evaluation"], **evaluation(error_high=0.9)}}

    assert decide(candidate, None, GATE).accepted
    refused = decide(ordinal, None, GATE)
    assert not refused.accepted
    assert [check.name for check in refused.checks if not check.passed] == ["scale error"]
