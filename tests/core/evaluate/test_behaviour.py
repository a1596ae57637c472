"""Behaviour suites: which texts the templates make, and which predictions pass."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.base.config import BehaviourConfig
from pipeline.core.evaluate.behaviour import Case, case_passes, make_cases, measure_abilities

LABELS = ("bad", "so so", "good")
WORDS = {
    "thing": ["film", "phone"],
    "good": ["good", "great", "superb"],
    "name": ["Wei", "Olga", "Emma"],
    "emoji": ["📷", "🔑"],
}


def ability(
    change: str | None, *templates: str, kind: str = "invariance", expect: str | None = None, name: str = "a"
) -> dict[str, Any]:
    return {"name": name, "kind": kind, "templates": templates, "expect": expect, "change": change}


def config(*abilities: dict[str, Any], most: int = 100, **words: list[str]) -> BehaviourConfig:
    return BehaviourConfig.model_validate({"max_cases": most, "words": WORDS | words, "abilities": abilities})


def pairs(
    change: str, template: str, *, kind: str = "invariance", expect: str | None = None
) -> list[tuple[str, ...]]:
    return [
        case.texts for case in make_cases(config(ability(change, template, kind=kind, expect=expect)), 20)
    ]


def test_a_template_gives_a_case_for_each_filling() -> None:
    cases = make_cases(config(ability(None, "The {thing} is {good}.", kind="minimum", expect="good")), 20)

    assert sorted(case.texts for case in cases) == [
        (f"The {thing} is {good}.",) for thing in ("film", "phone") for good in ("good", "great", "superb")
    ]
    assert {(case.ability, case.kind, case.expect) for case in cases} == {("a", "minimum", "good")}


def test_templates_take_turns_and_a_short_one_yields_to_others() -> None:
    few, many = "It is over.", "The {thing} of {name} is {good}."
    cases = make_cases(
        config(
            ability("case", few, many),
            ability("case", many, "{name} has a {good} {thing}.", name="b"),
            most=10,
        ),
        20,
    )

    of_a = Counter("over" in case.texts[0] for case in cases if case.ability == "a")
    of_b = Counter("has" in case.texts[0] for case in cases if case.ability == "b")

    assert (of_a, of_b) == ({True: 1, False: 9}, {True: 5, False: 5})


@given(st.integers(0, 2**40), st.integers(1, 30))
def test_equal_seeds_make_equal_distinct_cases(seed: int, most: int) -> None:
    cfg = config(
        ability("typos", "What {name} did is {good}.", "The {thing} in {thing} is {good}."),
        ability("names", "{name} has it.", name="b"),
        most=most,
    )

    cases = make_cases(cfg, seed)

    assert cases == make_cases(cfg, seed)
    assert max(Counter(case.ability for case in cases).values()) <= most
    assert len({(case.ability, case.texts) for case in cases}) == len(cases)
    assert all(len(set(case.texts)) == 2 for case in cases)


def test_another_seed_makes_other_cases() -> None:
    cfg = config(ability(None, "The {thing} of {name} is {good}.", kind="minimum", expect="good"), most=5)

    assert len({tuple(make_cases(cfg, seed)) for seed in range(5)}) > 1


def test_an_addition_is_only_in_the_changed_text() -> None:
    found = pairs("addition", "The {thing} is [not ]good.", kind="direction", expect="bad")

    assert sorted(found) == [
        ("The film is good.", "The film is not good."),
        ("The phone is good.", "The phone is not good."),
    ]


def test_an_addition_is_filled_with_the_words_of_its_text() -> None:
    found = pairs("addition", "It is {good}[, and {good} again].", kind="direction", expect="good")

    assert sorted(found)[0] == ("It is good.", "It is good, and good again.")


def test_a_name_is_changed_to_another_one() -> None:
    found = pairs("names", "{name} and I.")

    assert {plain for plain, _ in found} == {"Wei and I.", "Olga and I.", "Emma and I."}
    assert all(
        plain != changed and re.fullmatch("(Wei|Olga|Emma) and I.", changed) for plain, changed in found
    )


def test_a_typo_swaps_two_inner_letters_of_one_word() -> None:
    for plain, changed in pairs("typos", "My {thing} is {good}."):
        (place, *more) = [
            place for place, (one, other) in enumerate(zip(plain, changed, strict=True)) if one != other
        ]
        assert more == [place + 1]
        assert changed[place : place + 2] == plain[place + 1] + plain[place]
        assert plain[place - 1].isalpha()
        assert plain[place + 2].isalpha()


def test_a_text_without_a_word_long_enough_for_a_typo_gives_no_case() -> None:
    assert pairs("typos", "It is so so.") == []


def test_other_changes_touch_only_case_punctuation_and_the_end() -> None:
    plain = "Oh, {name}, a {good} day!"

    assert all(changed in (text.upper(), text.lower()) for text, changed in pairs("case", plain))
    assert all(changed in (f"{text} 📷", f"{text} 🔑") for text, changed in pairs("emoji", plain))
    for text, changed in pairs("punctuation", plain):
        assert changed != text
        assert re.sub(r"[^\w ]", "", changed).strip() == re.sub(r"[^\w ]", "", text)


def probabilities(bad: float, fair: float, good: float) -> np.ndarray:
    return np.array([bad, fair, good])


@pytest.mark.parametrize(
    ("kind", "expect", "rows", "passed"),
    [
        ("minimum", "good", [(0.2, 0.3, 0.5)], True),
        ("minimum", "good", [(0.2, 0.5, 0.3)], False),
        ("invariance", None, [(0.2, 0.3, 0.5), (0.0, 0.4, 0.6)], True),
        ("invariance", None, [(0.2, 0.3, 0.5), (0.0, 0.6, 0.4)], False),
        # A direction needs a rise of the probability, not the label.
        ("direction", "bad", [(0.1, 0.0, 0.9), (0.2, 0.0, 0.8)], True),
        ("direction", "bad", [(0.9, 0.0, 0.1), (0.8, 0.0, 0.2)], False),
        ("direction", "bad", [(0.9, 0.0, 0.1), (0.9 + 1e-9, 0.0, 0.1)], False),
    ],
)
def test_which_cases_pass(
    kind: str, expect: str | None, rows: list[tuple[float, float, float]], passed: bool
) -> None:
    case = Case("a", kind, ("plain", "changed")[: len(rows)], expect)

    assert case_passes(case, [probabilities(*row) for row in rows], LABELS) is passed


def test_pass_rates_and_first_failures_are_reported() -> None:
    calls: list[Sequence[str]] = []

    def predict(texts: Sequence[str]) -> np.ndarray:
        calls.append(texts)
        return np.stack(
            [
                probabilities(0.0, 0.4, 0.6) if "good" in text else probabilities(0.7, 0.3, 0.0)
                for text in texts
            ]
        )

    cases = [
        Case("praise", "minimum", (f"{word} {n}",), "good") for n in range(6) for word in ("good", "fine")
    ]
    cases += [
        Case("case", "invariance", ("good 1", "GOOD 1"), None),
        Case("case", "invariance", ("good 1", "good 2"), None),
    ]

    found = measure_abilities(cases, predict, LABELS, confidence=0.95)

    assert (found["praise"]["cases"], found["praise"]["passed"], found["praise"]["pass_rate"]) == (12, 6, 0.5)
    # Six of twelve by Clopper and Pearson (1934).
    interval = (found["praise"]["low"], found["praise"]["high"])
    assert interval == pytest.approx((0.2109, 0.7891), abs=1e-4)
    assert found["praise"]["examples"] == [{"texts": [f"fine {n}"], "labels": ["bad"]} for n in range(5)]
    assert found["case"]["examples"] == [{"texts": ["good 1", "GOOD 1"], "labels": ["good", "bad"]}]
    assert found["case"]["kind"] == "invariance"
    # One call, and no text twice.
    assert [len(texts) for texts in calls] == [13]


def test_no_suites_measure_and_predict_nothing() -> None:
    def predict(_: Sequence[str]) -> np.ndarray:
        raise AssertionError("there is nothing to predict")

    assert measure_abilities(make_cases(config(), 20), predict, LABELS, confidence=0.95) == {}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (ability("case", "A {colour} {thing}."), "too few words .* for: colour"),
        (ability("emoji", "So."), "for: emoji"),
        (ability("names", "{name} too."), "for: name"),
        (ability("names", "So."), "needs a {name} to change"),
        (ability("addition", "It is good.", kind="direction", expect="bad"), "needs .a part. to add"),
        (ability("case", "It is [not ]good."), "and none otherwise"),
        (ability("case", "So.", expect="bad"), "`expect` names a label, or is null for an invariance"),
        (ability("case", "So.", kind="minimum", expect="bad"), "or is null for a minimum"),
    ],
)
def test_an_invalid_suite_is_rejected(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        config(wrong, emoji=[], name=["Wei", "Wei"])


def test_an_ability_may_be_named_once() -> None:
    with pytest.raises(ValidationError, match="names an ability twice"):
        config(ability("case", "So."), ability("case", "Oh."))
