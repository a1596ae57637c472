"""The checks that need a champion: improvement within a budget of looks, slices, forgetting, abilities."""

import pytest
from judged import GATE, candidate, champion, entry, failed, named

from pipeline.core.gate.decision import decide

NAN = float("nan")
LOOK = "at look 3 of 52 at this test split, which may err with 0.37%, the lower bound is"


def test_an_insignificant_gain_is_rejected_with_the_detectable_one() -> None:
    decision = decide(candidate(), champion(0.004, lower=-0.009), GATE)

    assert decision.reasons == (
        "On the same 3,342 texts macro F1 changes by +0.004 against champion R1 "
        f"(95% interval -0.008 to +0.016); {LOOK} -0.009: no significant improvement "
        "(gate.against_champion). A gain of 0.018 is detected on these texts with 80% power.",
    )
    assert (named(decision, "champion").shortfall, named(decision, "champion").unit) == (0.009, "macro F1")


def test_a_significant_drop_is_called_one() -> None:
    (reason,) = decide(candidate(), champion(-0.03, lower=-0.045), GATE).reasons
    assert f"(95% interval -0.042 to -0.018); {LOOK} -0.045: a significant drop" in reason


def test_equal_predictions_fall_short_by_the_detectable_gain() -> None:
    decision = decide(candidate(), champion(0.0, lower=0.0, changed={"count": 0}), GATE)

    assert decision.reasons == (
        "On the same 3,342 texts the candidate predicts exactly what champion R1 predicts; "
        f"{LOOK} +0.000: no significant improvement (gate.against_champion). "
        "A gain of 0.018 is detected on these texts with 80% power.",
    )
    assert named(decision, "champion").shortfall == 0.018


@pytest.mark.parametrize(
    ("difference", "lower", "better", "not_worse"),
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
    difference: float, lower: float, better: bool, not_worse: bool
) -> None:
    against = champion(difference, lower=lower)
    assert decide(candidate(), against, GATE).accepted is better
    assert (
        decide(candidate(), against, GATE.model_copy(update={"against_champion": "not_worse"})).accepted
        is not_worse
    )


def test_a_used_up_budget_accepts_no_gain_and_says_what_to_do() -> None:
    decision = decide(
        candidate(), champion(0.3, lower=-1.0, look={"number": 53, "allowed": 52, "level": 0.0}), GATE
    )
    (reason,) = decision.reasons
    assert "All 52 looks at this test split are used up (gate.looks)" in reason
    assert "`tonewatch release show`" in reason


@pytest.mark.parametrize(
    ("texts", "unknown", "sentence"),
    [
        (41, None, " 41 more are left out, since R1 was trained on them."),
        (0, "its data v3 cannot be read (…)", " Which of them R1 was trained on is not known: its data v3"),
    ],
)
def test_texts_that_the_champion_learnt_from_are_counted(
    texts: int, unknown: str | None, sentence: str
) -> None:
    left_out = [{"release": "R1", "texts": texts, "unknown": unknown}]
    assert sentence in named(decide(candidate(), champion(left_out=left_out), GATE), "champion").sentence


def test_a_significant_drop_beyond_the_margin_rejects_a_better_candidate() -> None:
    slices = [
        entry("source=nyt", -0.01),
        entry("class=negative", -0.085, 0.013, -0.108),
        {**entry("length=33+", -0.07, 0.04, -0.091), "against": "R0"},
    ]
    decision = decide(candidate(), champion(slices=slices), GATE)

    assert decision.reasons == (
        "Slices with a drop of more than 0.030 (gate.slice_margin): 2 of 3: "
        "class=negative from 0.750 of R1 to 0.665 on 1,612 texts "
        "(interval -0.105 to -0.065, p 0.013 by max-T); "
        "length=33+ from 0.750 of R0 to 0.680 on 1,612 texts "
        "(interval -0.090 to -0.050, p 0.04 by max-T). "
        "For 1 it is ruled out by the one-sided 95% lower bound.",
    )
    assert (named(decision, "slices").shortfall, named(decision, "slices").unit) == (
        pytest.approx(0.078),
        "F1 of class=negative",
    )


@pytest.mark.parametrize(
    ("row", "passed"),
    [
        (entry("a", -0.1, 0.0501, -0.12, 0.03), True),  # not significant, and too few texts to tell
        (entry("a", -0.1, 0.05, -0.12, 0.03), False),
        (entry("a", -0.029, 0.001, -0.05, 0.03), True),  # significant, but not beyond the margin
        (entry("a", 0.0, 1.0, -0.031, 0.012), False),  # enough texts, and the drop is not ruled out
        (entry("a", 0.0, 1.0, -0.031, 0.013), True),  # too few texts for that
        (entry("a", 0.0, NAN), False),
        (entry("a", NAN), False),
        (entry("a", 0.0, lower=NAN), False),
        (entry("a", 0.0, standard_error=NAN), False),
    ],
)
def test_what_a_slice_shows_decides(row: dict[str, object], passed: bool) -> None:
    assert decide(candidate(), champion(slices=[row]), GATE).accepted is passed


def test_too_few_texts_are_said_in_plain_words() -> None:
    rows = [entry("source=movie", 0.0), {**entry("source=nyt", -0.04, 0.6, -0.12, 0.05), "texts": 100}]
    assert named(decide(candidate(), champion(slices=rows), GATE), "slices").sentence == (
        "Slices with a drop of more than 0.030 (gate.slice_margin): none of 2 shown. "
        "For 1 it is ruled out by the one-sided 95% lower bound. "
        "Not known for 1, which have too few texts: source=nyt (100 texts, lower bound -0.120)."
    )


@pytest.mark.parametrize(
    ("rows", "check", "subject"),
    [
        (
            "forgetting",
            "forgetting",
            "Sources of the champion's training data with a drop of more than 0.040",
        ),
        ("abilities", "abilities", "Abilities with a drop of more than 0.100 (gate.ability_margin)"),
        ("attack", "attack champion", "Scores under attack with a drop of more than 0.050"),
    ],
)
def test_a_loss_against_the_champion_is_named(rows: str, check: str, subject: str) -> None:
    decision = decide(candidate(), champion(**{rows: [entry("source=amazon", -0.2, 0.001, -0.25)]}), GATE)
    (reason,) = decision.reasons
    assert failed(decision) == [check]
    assert reason.startswith(subject)
    assert "source=amazon from 0.750 of R1 to 0.550 on 1,612 texts" in reason


def test_what_is_not_known_is_said_beside_a_refusal() -> None:
    rows = [entry("a", -0.1, 0.001, -0.12), {**entry("b", -0.04, 0.6, -0.12, 0.05), "texts": 100}]
    sentence = named(decide(candidate(), champion(slices=rows), GATE), "slices").sentence
    assert sentence.endswith("Not known for 1, which have too few texts: b (100 texts, lower bound -0.120).")


def test_without_comparable_slices_the_check_passes() -> None:
    decision = decide(candidate(), champion(slices=[]), GATE)
    assert decision.accepted
    assert named(decision, "slices").sentence == (
        "Slices with a drop of more than 0.030 (gate.slice_margin): none of 0 shown."
    )


@pytest.mark.parametrize(
    "setting", ["confidence", "margin", "forgetting_margin", "power", "ability_margin", "attack_margin"]
)
def test_a_comparison_under_other_settings_is_rejected(setting: str) -> None:
    decision = decide(candidate(), champion(**{setting: 0.77}), GATE)
    assert failed(decision) == ["champion", "slices", "forgetting", "abilities", "attack champion"]
    assert all(f"made with a {setting} that differs from" in reason for reason in decision.reasons)


def test_a_comparison_under_another_number_of_looks_is_rejected() -> None:
    look = {"number": 3, "allowed": 1, "level": 0.05}
    assert "a number of looks that differs" in decide(candidate(), champion(look=look), GATE).reasons[0]
