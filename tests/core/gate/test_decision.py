"""The decision: its reasons, that no figure may be absent, and that it can be made again from its record."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged import GATE, candidate, champion, entry

from pipeline.core.gate.decision import GateDecision, decide

NAN = float("nan")


def test_the_first_candidate_is_accepted_with_a_sentence_for_each_question() -> None:
    decision = decide(candidate(), None, GATE)

    assert decision.accepted
    assert decision.reasons == (
        "Macro F1 is 0.770, at or above the floor of 0.720 (gate.min_macro_f1).",
        "Macro F1 is 0.770 and tfidf reaches 0.630: the baseline is beaten.",
        "Macro F1 is 0.770 and vader reaches 0.570: the baseline is beaten.",
        "There is no champion yet, so there is nothing to be better than.",
        "There is no champion yet, so no slices are compared.",
        "There is no champion yet, so no sources the champion had learnt are compared.",
        "The pass rate of ability negation is 70.0%, at or above the floor of 60.0% (gate.abilities).",
        "The pass rate of ability typos is 90.0%, at or above the floor of 80.0% (gate.abilities).",
        "The fall of macro F1 under attack is 0.120, within the limit of 0.300 (gate.max_attack_drop).",
        "The expected calibration error is 0.035, within the limit of 0.080 (gate.max_calibration_error).",
        "The 95th percentile of milliseconds for one text is 12.3, within the limit of 50.0 (gate.max_p95_ms).",
        "The size in megabytes is 8.1, within the limit of 20.0 (gate.max_megabytes).",
        "The data passed all 2 checks.",
        "This candidate was never rolled back.",
    )


def test_a_challenger_better_beyond_noise_with_no_slice_lost_is_accepted() -> None:
    decision = decide(candidate(), champion(), GATE)

    assert decision.accepted
    assert decision.reasons[3:6] == (
        "Against champion R1 on the same 3,342 texts macro F1 changes by +0.020 (95% interval +0.008 to +0.032): "
        "better beyond noise (gate.against_champion).",
        "Slices that surely fell by more than 0.030 (gate.slice_margin): none of 2.",
        "Sources the champion had learnt that surely fell by more than 0.040 (gate.forgetting_margin): none of 1.",
    )


def test_with_nothing_recorded_every_question_that_asks_for_a_figure_fails() -> None:
    decision = decide({}, {}, GATE)
    passed = [part.name for part in decision.parts if part.passed]
    assert passed == ["attack"]
    assert all(
        value is None or math.isfinite(value) for part in decision.parts for value in part.figures.values()
    )
    assert [part.missing for part in decision.parts] == [None] * len(decision.parts)


def leaves(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(document, dict | list):
        items = document.items() if isinstance(document, dict) else enumerate(document)
        return [leaf for key, value in items for leaf in leaves(value, (*path, key))]
    return [path] if isinstance(document, float) else []


# Told in sentences, but nothing is decided by them.
TOLD = {"visible", "candidate", "champion", "mcnemar", "emoji"}
TOLD_OF_A_SLICE = {*TOLD, "difference", "low", "high", "p", "bound"}
ASKED = [
    path
    for path in leaves({"of": candidate(), "against": champion()})
    if not (TOLD_OF_A_SLICE if {"slices", "forgetting"} & set(path) else TOLD) & set(path)
]


@pytest.mark.parametrize("value", [NAN, math.inf, None, "0.9", True])
@pytest.mark.parametrize("path", ASKED, ids=str)
def test_a_figure_that_is_no_number_refuses(path: tuple[Any, ...], value: Any) -> None:
    documents: Any = json.loads(json.dumps({"of": candidate(), "against": champion()}))
    place = documents
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value

    decision = decide(documents["of"], documents["against"], GATE)

    assert not decision.accepted
    json.dumps(decision.as_dict(), allow_nan=False)


def turned(document: Any) -> Any:
    """Give the same document with its keys the other way round, as another writer might leave them."""
    if isinstance(document, dict):
        return {key: turned(value) for key, value in reversed(document.items())}
    return [turned(value) for value in document] if isinstance(document, list) else document


FIGURE = st.floats(-0.2, 1.2) | st.just(NAN)
CANDIDATES = st.builds(candidate, FIGURE, tfidf=FIGURE, withdrawn=st.none() | st.just("rolled back"))
ENTRIES = st.lists(
    st.builds(entry, st.sampled_from(["a=1", "b=2", "c=3"]), st.floats(-0.1, 0.1), FIGURE, FIGURE), max_size=3
)
CHAMPIONS = st.none() | st.builds(
    champion, st.floats(-0.1, 0.1), low=FIGURE, slices=ENTRIES, forgetting=ENTRIES
)


@given(CANDIDATES, CHAMPIONS)
def test_never_accepted_when_any_part_failed(
    given_candidate: dict[str, Any], against: dict[str, Any] | None
) -> None:
    decision = decide(given_candidate, against, GATE)

    assert decision.accepted == all(part.passed for part in decision.parts)
    assert decision.reasons
    assert all(part.sentence.endswith(".") or part.name == "withdrawn" for part in decision.parts)
    assert all(part.missing is None for part in decision.parts if part.passed)
    if not decision.accepted:
        assert set(decision.reasons) == {part.sentence for part in decision.parts if not part.passed}


@given(CANDIDATES, CHAMPIONS)
def test_the_same_documents_give_the_same_decision_after_json_and_in_any_order_of_keys(
    given_candidate: dict[str, Any], against: dict[str, Any] | None
) -> None:
    decision = decide(given_candidate, against, GATE)
    again = decide(
        turned(json.loads(json.dumps(given_candidate))), turned(json.loads(json.dumps(against))), GATE
    )

    assert again.to_json() == decision.to_json()
    assert GateDecision.from_json(decision.to_json()).to_json() == decision.to_json()


def test_a_record_that_claims_more_than_its_parts_is_not_believed() -> None:
    record = json.loads(decide(candidate(0.5), None, GATE).to_json())
    forged = json.dumps({**record, "accepted": True, "reasons": ["fine"]})
    assert not GateDecision.from_json(forged).accepted


def test_a_record_from_before_parts_told_what_was_missing_is_still_read() -> None:
    old = {"parts": [{"name": "floor", "passed": False, "figures": {"macro_f1": 0.5}, "sentence": "Below."}]}
    assert GateDecision.from_json(json.dumps(old)).reasons == ("Below.",)
