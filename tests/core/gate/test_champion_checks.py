"""The checks that need a champion: improvement, slices, forgetting."""

import pytest
from judged import GATE, candidate, champion, entry, failed, named

from pipeline.core.gate.decision import decide

NAN = float("nan")


def test_an_insignificant_gain_is_rejected_with_the_detectable_one() -> None:
    decision = decide(candidate(), champion(0.004, low=-0.009), GATE)

    assert decision.reasons == (
        "On the same 3,342 texts macro F1 changes by +0.004 against champion R1 "
        "(95% interval -0.009 to +0.017): no significant improvement (gate.against_champion). "
        "A gain of 0.018 is detected on these texts with 80% power.",
    )
    assert (named(decision, "champion").shortfall, named(decision, "champion").unit) == (
        pytest.approx(0.009),
        "macro F1",
    )


def test_a_significant_drop_is_called_one() -> None:
    (reason,) = decide(candidate(), champion(-0.03, low=-0.045), GATE).reasons
    assert "(95% interval -0.045 to -0.015): a significant drop (gate.against_champion)." in reason


def test_equal_predictions_fall_short_by_the_detectable_gain() -> None:
    again = champion(0.0, low=0.0, changed={"count": 0})
    decision = decide(candidate(), again, GATE)

    assert decision.reasons == (
        "On the same 3,342 texts the candidate predicts exactly what champion R1 predicts: "
        "no significant improvement (gate.against_champion). "
        "A gain of 0.018 is detected on these texts with 80% power.",
    )
    assert named(decision, "champion").shortfall == 0.018


@pytest.mark.parametrize(
    ("difference", "low", "better", "not_worse"),
    [
        (0.02, 0.01, True, True),
        (0.0, 0.0, False, True),
        (-0.002, -0.0049, False, True),
        (0.0, -0.005, False, False),  # the margin itself is too far
        (0.01, -0.006, False, False),  # better, but not significantly
        (-0.03, -0.05, False, False),
        (NAN, NAN, False, False),
        (0.02, NAN, False, False),
    ],
)
def test_the_rule_against_the_champion_is_configurable(
    difference: float, low: float, better: bool, not_worse: bool
) -> None:
    against = champion(difference, low=low)
    assert decide(candidate(), against, GATE).accepted is better
    assert (
        decide(candidate(), against, GATE.model_copy(update={"against_champion": "not_worse"})).accepted
        is not_worse
    )


def test_a_drop_that_may_exceed_the_margin_is_rejected_with_its_interval() -> None:
    decision = decide(
        candidate(), champion(-0.012, low=-0.021), GATE.model_copy(update={"against_champion": "not_worse"})
    )
    assert decision.reasons == (
        "On the same 3,342 texts macro F1 changes by -0.012 against champion R1 "
        "(95% interval -0.021 to -0.003): "
        "a drop of more than 0.005 (gate.champion_margin) cannot be ruled out.",
    )
    assert named(decision, "champion").shortfall == pytest.approx(0.016)


def test_a_slice_regression_rejects_a_better_candidate() -> None:
    slices = [
        entry("source=nyt", -0.01),
        entry("class=negative", -0.085, 0.013, -0.058),
        entry("length=33+", -0.07, 0.04, -0.041),
    ]
    decision = decide(candidate(), champion(slices=slices), GATE)

    assert decision.reasons == (
        "Slices with a significant drop of more than 0.030 (gate.slice_margin): 2 of 3: "
        "class=negative from 0.750 to 0.665 on 1,612 texts (interval -0.105 to -0.065, p 0.013); "
        "length=33+ from 0.750 to 0.680 on 1,612 texts (interval -0.090 to -0.050, p 0.04).",
    )
    assert (named(decision, "slices").shortfall, named(decision, "slices").unit) == (
        pytest.approx(0.028),
        "F1 of class=negative",
    )


@pytest.mark.parametrize(
    ("p_holm", "passed"), [(0.0501, True), (0.05, False), (0.001, False), (NAN, False), (None, False)]
)
def test_a_slice_drop_is_significant_up_to_the_adjusted_level(p_holm: float | None, passed: bool) -> None:
    decision = decide(
        candidate(), champion(slices=[{**entry("lang=en", -0.1, bound=-0.05), "p_holm": p_holm}]), GATE
    )
    assert decision.accepted is passed


def test_a_forgotten_source_is_named() -> None:
    decision = decide(candidate(), champion(forgetting=[entry("source=amazon", -0.2, 0.001, -0.15)]), GATE)
    assert decision.reasons == (
        "Sources of the champion's training data with a significant drop of more than 0.040 "
        "(gate.forgetting_margin): 1 of 1: "
        "source=amazon from 0.750 to 0.550 on 1,612 texts (interval -0.220 to -0.180, p 0.001).",
    )
    assert (named(decision, "forgetting").shortfall, named(decision, "forgetting").unit) == (
        pytest.approx(0.11),
        "macro F1 of source=amazon",
    )


def test_without_comparable_slices_the_check_passes() -> None:
    decision = decide(candidate(), champion(slices=[]), GATE)
    assert decision.accepted
    assert (
        named(decision, "slices").sentence
        == "Slices with a significant drop of more than 0.030 (gate.slice_margin): none of 0."
    )


@pytest.mark.parametrize("setting", ["confidence", "margin", "forgetting_margin", "power"])
def test_a_comparison_under_other_settings_is_rejected(setting: str) -> None:
    decision = decide(candidate(), champion(**{setting: 0.77}), GATE)
    assert failed(decision) == ["champion", "slices", "forgetting"]
    assert all(f"made with a {setting} that differs from" in reason for reason in decision.reasons)
