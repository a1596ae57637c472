"""The decision: its reasons, absent figures, and that equal evidence gives an equal decision."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged import GATE, candidate, champion, entry

from pipeline.core.gate.decision import decide

NAN = float("nan")


def test_a_first_candidate_is_accepted_with_a_sentence_for_each_check() -> None:
    decision = decide(candidate(), None, GATE)

    assert decision.accepted
    assert decision.reasons == (
        "The lower end of the interval of macro F1 is 0.750, "
        "at or above the floor of 0.720 (gate.min_macro_f1).",
        "Macro F1 of 0.770 beats the 0.630 of baseline tfidf: "
        "the lower end of the paired interval of the gain is +0.120.",
        "Macro F1 of 0.770 beats the 0.570 of baseline vader: "
        "the lower end of the paired interval of the gain is +0.180.",
        "There is no champion yet, so there is nothing to compare with.",
        "There is no champion yet, so no slices are compared.",
        "There is no champion yet, so no sources of the champion's training data are compared.",
        "There is no champion yet, so no abilities are compared.",
        "There is no champion yet, so no scores under attack are compared.",
        "The lower end of the interval of the pass rate of ability negation (49 of 70 cases) is 60.0%, "
        "at or above the floor of 60.0% (gate.abilities).",
        "The lower end of the interval of the pass rate of ability typos (63 of 70 cases) is 80.0%, "
        "at or above the floor of 80.0% (gate.abilities).",
        "The upper end of the interval of the drop of macro F1 under attack is 0.150, "
        "within the limit of 0.300 (gate.max_attack_drop).",
        "The upper bound of the debiased calibration error is 0.035, "
        "within the limit of 0.080 (gate.max_calibration_error).",
        "The lower bound of the debiased calibration error on source movie is 0.030, "
        "within the limit of 0.080 (gate.max_calibration_error).",
        "The 95th percentile of milliseconds for one text is 12.3, "
        "within the limit of 50.0 (gate.max_p95_ms).",
        "The size in megabytes is 8.1, within the limit of 20.0 (gate.max_megabytes).",
        "The data passed all 2 checks.",
        "This candidate was never rolled back.",
    )


def test_a_significantly_better_candidate_without_regressions_is_accepted() -> None:
    decision = decide(candidate(), champion(), GATE)

    assert decision.accepted
    assert decision.reasons[3:6] == (
        "On the same 3,342 texts macro F1 changes by +0.020 against champion R1 "
        "(95% interval +0.008 to +0.032); at look 3 of 52 at this test split, which may err with 0.37%, "
        "the lower bound is +0.008: a significant improvement (gate.against_champion).",
        "Slices with a drop of more than 0.030 (gate.slice_margin): none of 2 shown. "
        "For 2 it is ruled out by the one-sided 95% lower bound.",
        "Sources of the champion's training data with a drop of more than 0.040 "
        "(gate.forgetting_margin): none of 1 shown. "
        "For 1 it is ruled out by the one-sided 95% lower bound.",
    )


def test_without_evidence_every_check_that_needs_a_figure_fails() -> None:
    decision = decide({}, {}, GATE)
    passed = [check.name for check in decision.checks if check.passed]
    assert passed == ["attack"]
    figures = [value for check in decision.checks for value in check.figures.values()]
    assert all(value is None or math.isfinite(value) for value in figures)
    assert [check.shortfall for check in decision.checks] == [None] * len(decision.checks)


def leaves(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(document, dict | list):
        items = document.items() if isinstance(document, dict) else enumerate(document)
        return [leaf for key, value in items for leaf in leaves(value, (*path, key))]
    return [path] if isinstance(document, float) else []


# Part of sentences, but nothing is decided by them.
NARRATED = {"minimum_detectable", "candidate", "champion", "mcnemar", "emoji", "left_out"}


def is_decisive(path: tuple[Any, ...]) -> bool:
    """Return whether a check depends on the figure: it is a bound, a limit, or part of a tested row."""
    if NARRATED & set(path):
        return False
    if path[0] == "of":
        is_bound = path[-1] == ("low" if {"behaviour", "baselines"} & set(path) else "high")
        if "calibration" in path:
            is_bound = path[-1] == ("low" if "per_source" in path else "high")
        evaluated = path[1] == "evaluation"
        return is_bound or path[-3:] == ("intervals", "macro_f1", 0) or not evaluated
    is_row = bool({"slices", "forgetting", "abilities", "attack"} & set(path))
    return path[-1] not in {"low", "high", "p"} if is_row else path[-1] not in {"low", "high"}


DECISIVE = [path for path in leaves({"of": candidate(), "against": champion()}) if is_decisive(path)]


@pytest.mark.parametrize("value", [NAN, math.inf, None, "0.9", True])
@pytest.mark.parametrize("path", DECISIVE, ids=str)
def test_a_figure_that_is_not_a_number_rejects(path: tuple[Any, ...], value: Any) -> None:
    documents: Any = json.loads(json.dumps({"of": candidate(), "against": champion()}))
    place = documents
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value

    decision = decide(documents["of"], documents["against"], GATE)

    assert not decision.accepted
    json.dumps(decision.record(), allow_nan=False)


def reversed_keys(document: Any) -> Any:
    """Return an equal document whose keys are in reverse order."""
    if isinstance(document, dict):
        return {key: reversed_keys(value) for key, value in reversed(document.items())}
    return [reversed_keys(value) for value in document] if isinstance(document, list) else document


FIGURE = st.floats(-0.2, 1.2) | st.just(NAN)
CANDIDATES = st.builds(
    candidate, FIGURE, tfidf=FIGURE, previously_rolled_back=st.none() | st.just("rolled back")
)
ENTRIES = st.lists(
    st.builds(entry, st.sampled_from(["a=1", "b=2", "c=3"]), st.floats(-0.1, 0.1), FIGURE, FIGURE), max_size=3
)
CHAMPIONS = st.none() | st.builds(
    champion, st.floats(-0.1, 0.1), lower=FIGURE, slices=ENTRIES, forgetting=ENTRIES
)


@given(CANDIDATES, CHAMPIONS)
def test_a_failed_check_never_leads_to_acceptance(
    given_candidate: dict[str, Any], against: dict[str, Any] | None
) -> None:
    decision = decide(given_candidate, against, GATE)

    assert decision.accepted == all(check.passed for check in decision.checks)
    assert decision.reasons
    assert all(check.sentence.endswith(".") or check.name == "rollback" for check in decision.checks)
    assert all(check.shortfall is None for check in decision.checks if check.passed)
    if not decision.accepted:
        assert set(decision.reasons) == {check.sentence for check in decision.checks if not check.passed}


@given(CANDIDATES, CHAMPIONS)
def test_equal_evidence_gives_an_equal_decision_whatever_the_order_of_keys(
    given_candidate: dict[str, Any], against: dict[str, Any] | None
) -> None:
    decision = decide(given_candidate, against, GATE)
    again = decide(
        reversed_keys(json.loads(json.dumps(given_candidate))),
        reversed_keys(json.loads(json.dumps(against))),
        GATE,
    )

    assert again.record() == decision.record() == json.loads(json.dumps(decision.record()))
