"""The decision: parts, reasons, and that it can be made again from its record."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import GateConfig
from pipeline.evaluate.compare import Comparison
from pipeline.evaluate.gate import Decision, decide

GATE = GateConfig.model_validate(
    {"min_macro_f1": 0.72, "baseline_margin": 0.0, "champion_margin": 0.005, "confidence": 0.95, "resamples": 400}
)


def evaluation(macro_f1: float = 0.77, *, tfidf: float = 0.63, vader: float = 0.57) -> dict[str, Any]:
    return {"macro_f1": macro_f1, "baselines": {"tfidf": {"macro_f1": tfidf}, "vader": {"macro_f1": vader}}}


def comparison(difference: float, *, low: float) -> Comparison:
    return Comparison("R1", 0.77 - difference, difference, low, 2 * difference - low, 0.95, 3500)


def test_the_first_candidate_above_floor_and_baselines_is_accepted_with_its_reasons() -> None:
    decision = decide(evaluation(), None, None, GATE)

    assert decision.accepted
    assert decision.reasons == (
        "Macro F1 is 0.770, at or above the floor of 0.720 (gate.min_macro_f1).",
        "Macro F1 is 0.770 and tfidf reaches 0.630: the baseline is beaten.",
        "Macro F1 is 0.770 and vader reaches 0.570: the baseline is beaten.",
        "There is no champion yet, so there is nothing to be worse than.",
        "This candidate was never rolled back.",
    )


def test_a_candidate_below_the_floor_is_refused_for_that_alone() -> None:
    decision = decide(evaluation(0.71), None, None, GATE)

    assert not decision.accepted
    assert decision.reasons == ("Macro F1 is 0.710, below the floor of 0.720 (gate.min_macro_f1).",)


def test_a_candidate_below_a_baseline_is_refused_and_the_baseline_named() -> None:
    decision = decide(evaluation(0.75, tfidf=0.76), None, None, GATE)
    assert decision.reasons == ("Macro F1 is 0.750 and tfidf reaches 0.760: the baseline is not beaten.",)


def test_a_margin_above_the_baselines_is_asked_for() -> None:
    strict = GATE.model_copy(update={"baseline_margin": 0.05})
    assert decide(evaluation(0.77, tfidf=0.73), None, None, strict).reasons == (
        "Macro F1 is 0.770 and tfidf reaches 0.730: the baseline is not beaten by more than 0.050 (gate.baseline_margin).",
    )


@pytest.mark.parametrize(
    ("difference", "low", "accepted"),
    [
        (0.02, 0.01, True),
        (0.0, 0.0, True),
        (-0.002, -0.0049, True),
        (0.0, -0.005, False),  # the margin itself is too far
        (0.01, -0.006, False),  # better at a look, but not surely
        (-0.03, -0.05, False),
        (float("nan"), float("nan"), False),
    ],
)
def test_not_surely_worse_than_the_champion_beyond_the_margin(difference: float, low: float, accepted: bool) -> None:
    assert decide(evaluation(), comparison(difference, low=low), None, GATE).accepted is accepted


def test_a_fall_below_the_champion_names_champion_texts_and_bound() -> None:
    decision = decide(evaluation(), comparison(-0.012, low=-0.021), None, GATE)
    assert decision.reasons == (
        "Against champion R1 on the same 3,500 texts macro F1 changes by -0.012, with 95% confidence by more than -0.021: "
        "not surely within the fall of 0.005 that is tolerated (gate.champion_margin).",
    )


def test_a_candidate_that_was_rolled_back_is_refused_in_the_words_of_the_ledger() -> None:
    decision = decide(evaluation(), None, "ada went back from it (complaints).", GATE)
    assert (decision.accepted, decision.reasons) == (False, ("ada went back from it (complaints).",))


def test_a_candidate_without_baselines_is_judged_by_the_rest() -> None:
    assert decide({"macro_f1": 0.9, "baselines": {}}, None, None, GATE).accepted


FIGURE = st.floats(-0.2, 1.2) | st.just(float("nan"))
COMPARISONS = st.none() | st.builds(comparison, st.floats(-0.1, 0.1), low=FIGURE)


@given(FIGURE, FIGURE, COMPARISONS, st.none() | st.just("rolled back"))
def test_never_accepted_when_any_part_failed(macro_f1: float, tfidf: float, against: Comparison | None, back: str | None) -> None:
    decision = decide(evaluation(macro_f1, tfidf=tfidf), against, back, GATE)

    assert decision.accepted == all(part.passed for part in decision.parts)
    assert decision.reasons
    assert all(part.sentence for part in decision.parts)
    if not decision.accepted:
        assert set(decision.reasons) == {part.sentence for part in decision.parts if not part.passed}


@given(st.floats(0, 1), COMPARISONS)
def test_the_record_makes_the_same_decision_again(macro_f1: float, against: Comparison | None) -> None:
    decision = decide(evaluation(macro_f1), against, None, GATE)
    assert Decision.from_json(decision.to_json()).to_json() == decision.to_json()


def test_a_record_that_claims_more_than_its_parts_is_not_believed() -> None:
    record = json.loads(decide(evaluation(0.5), None, None, GATE).to_json())
    forged = json.dumps({**record, "accepted": True, "reasons": ["fine"]})
    assert not Decision.from_json(forged).accepted
