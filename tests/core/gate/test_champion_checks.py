"""The questions that need a champion: better beyond noise, no slice lost, nothing forgotten."""

import pytest
from judged import GATE, candidate, champion, entry, named, refused

from pipeline.core.gate.decision import decide

NAN = float("nan")


def test_a_gain_within_noise_is_refused_and_the_gain_that_would_have_shown_is_named() -> None:
    decision = decide(candidate(), champion(0.004, low=-0.009), GATE)

    assert decision.reasons == (
        "Against champion R1 on the same 3,342 texts macro F1 changes by +0.004 (95% interval -0.009 to +0.017): "
        "no better beyond noise (gate.against_champion). A gain of 0.018 would have shown on these texts with 80% power.",
    )
    assert (named(decision, "champion").missing, named(decision, "champion").unit) == (
        pytest.approx(0.009),
        "macro F1",
    )


def test_a_fall_beyond_noise_is_called_one() -> None:
    (reason,) = decide(candidate(), champion(-0.03, low=-0.045), GATE).reasons
    assert "(95% interval -0.045 to -0.015): surely worse, and so no better beyond noise" in reason


def test_the_champion_over_again_lacks_a_gain_that_shows() -> None:
    again = champion(0.0, low=0.0, changed={"count": 0})
    decision = decide(candidate(), again, GATE)

    assert decision.reasons == (
        "Against champion R1 the same 3,342 texts all get the same answer: "
        "no better beyond noise (gate.against_champion). A gain of 0.018 would have shown on these texts with 80% power.",
    )
    assert named(decision, "champion").missing == 0.018


@pytest.mark.parametrize(
    ("difference", "low", "better", "not_worse"),
    [
        (0.02, 0.01, True, True),
        (0.0, 0.0, False, True),
        (-0.002, -0.0049, False, True),
        (0.0, -0.005, False, False),  # the margin itself is too far
        (0.01, -0.006, False, False),  # better at a look, but not surely
        (-0.03, -0.05, False, False),
        (NAN, NAN, False, False),
        (0.02, NAN, False, False),
    ],
)
def test_what_is_asked_against_the_champion_can_be_chosen(
    difference: float, low: float, better: bool, not_worse: bool
) -> None:
    against = champion(difference, low=low)
    assert decide(candidate(), against, GATE).accepted is better
    assert (
        decide(candidate(), against, GATE.model_copy(update={"against_champion": "not_worse"})).accepted
        is not_worse
    )


def test_not_surely_within_the_margin_names_champion_interval_and_margin() -> None:
    decision = decide(
        candidate(), champion(-0.012, low=-0.021), GATE.model_copy(update={"against_champion": "not_worse"})
    )
    assert decision.reasons == (
        "Against champion R1 on the same 3,342 texts macro F1 changes by -0.012 (95% interval -0.021 to -0.003): "
        "not surely within the fall of 0.005 that is tolerated (gate.champion_margin).",
    )
    assert named(decision, "champion").missing == pytest.approx(0.016)


def test_a_lost_slice_refuses_a_candidate_that_is_better_on_the_whole() -> None:
    slices = [
        entry("source=nyt", -0.01),
        entry("class=negative", -0.085, 0.013, -0.058),
        entry("length=33+", -0.07, 0.04, -0.041),
    ]
    decision = decide(candidate(), champion(slices=slices), GATE)

    assert decision.reasons == (
        "Slices that surely fell by more than 0.030 (gate.slice_margin): 2 of 3: "
        "class=negative from 0.750 to 0.665 on 1,612 texts (interval -0.105 to -0.065, p 0.013); "
        "length=33+ from 0.750 to 0.680 on 1,612 texts (interval -0.090 to -0.050, p 0.04).",
    )
    assert (named(decision, "slices").missing, named(decision, "slices").unit) == (
        pytest.approx(0.028),
        "F1 of class=negative",
    )


@pytest.mark.parametrize(
    ("p_holm", "passed"), [(0.0501, True), (0.05, False), (0.001, False), (NAN, False), (None, False)]
)
def test_a_slice_is_surely_worse_where_chance_does_it_in_one_of_twenty_or_less(
    p_holm: float | None, passed: bool
) -> None:
    decision = decide(
        candidate(), champion(slices=[{**entry("lang=en", -0.1, bound=-0.05), "p_holm": p_holm}]), GATE
    )
    assert decision.accepted is passed


def test_a_source_that_was_forgotten_is_named() -> None:
    decision = decide(candidate(), champion(forgetting=[entry("source=amazon", -0.2, 0.001, -0.15)]), GATE)
    assert decision.reasons == (
        "Sources the champion had learnt that surely fell by more than 0.040 (gate.forgetting_margin): 1 of 1: "
        "source=amazon from 0.750 to 0.550 on 1,612 texts (interval -0.220 to -0.180, p 0.001).",
    )
    assert (named(decision, "forgetting").missing, named(decision, "forgetting").unit) == (
        pytest.approx(0.11),
        "macro F1 of source=amazon",
    )


def test_slices_too_small_to_compare_refuse_nobody() -> None:
    decision = decide(candidate(), champion(slices=[]), GATE)
    assert decision.accepted
    assert (
        named(decision, "slices").sentence
        == "Slices that surely fell by more than 0.030 (gate.slice_margin): none of 0."
    )


@pytest.mark.parametrize("term", ["confidence", "margin", "forgetting_margin", "power"])
def test_a_comparison_on_other_terms_than_the_gates_counts_for_nothing(term: str) -> None:
    decision = decide(candidate(), champion(**{term: 0.77}), GATE)
    assert refused(decision) == ["champion", "slices", "forgetting"]
    assert all(f"made with another {term} than the gate's" in reason for reason in decision.reasons)
