"""The budget of looks at one test split: what a look may spend, and when two splits are the same one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged import GATE

from pipeline.base.documents import SplitDescription
from pipeline.core.gate.looks import EarlierLook, describe_test, is_new_test, look_budget, overlap


def split_of(texts: range) -> SplitDescription:
    return describe_test([f"text {number}" for number in texts], reserved=0)


def spend(test: SplitDescription, looks: int, allowed: int = 52) -> list[float]:
    gate, earlier = GATE.model_copy(update={"looks": allowed}), list[EarlierLook]()
    for _ in range(looks):
        level = look_budget(test, earlier, gate).next_look()["level"]
        earlier.append(EarlierLook(test, level))
    return [look.level for look in earlier]


def test_three_looks_worked_by_hand() -> None:
    # 5 % over 1 + 1/2 + 1/3 = 11/6: 2.7 %, 1.4 % and 0.9 %.
    assert spend(split_of(range(10)), 4, allowed=3) == pytest.approx([0.3 / 11, 0.15 / 11, 0.1 / 11, 0.0])


@given(st.lists(st.integers(1, 60), min_size=1, max_size=120))
def test_no_change_of_the_number_of_looks_spends_more_than_the_budget(allowed: list[int]) -> None:
    test, earlier = split_of(range(10)), list[EarlierLook]()
    for looks in allowed:
        budget = look_budget(test, earlier, GATE.model_copy(update={"looks": looks}))
        look = budget.next_look()
        assert (look["number"], look["allowed"]) == (len(earlier) + 1, looks)
        assert 0 <= look["level"] <= budget.left + 1e-12
        earlier.append(EarlierLook(test, look["level"]))

    assert sum(look.level for look in earlier) <= 1 - GATE.confidence + 1e-9


def test_a_used_up_budget_leaves_no_look() -> None:
    test = split_of(range(10))
    spent = [EarlierLook(test, level) for level in spend(test, 52)]
    budget = look_budget(test, spent, GATE)
    assert (budget.used, budget.looks_left, budget.next_look()["level"]) == (52, 0, 0.0)


@pytest.mark.parametrize(
    ("texts", "is_new"),
    [
        (range(1000), False),
        (range(1001), False),  # one text a week brings no new budget
        (range(1500), False),
        (range(3000), True),
        (range(200, 1200), False),
        (range(600, 1600), True),
        (range(5000, 6000), True),
    ],
)
def test_a_split_is_new_from_half_of_new_texts_on(texts: range, is_new: bool) -> None:
    assert is_new_test(split_of(texts), split_of(range(1000)), GATE) is is_new
    spent = [EarlierLook(split_of(range(1000)), 0.05)]
    assert (look_budget(split_of(texts), spent, GATE).used == 0) is is_new


def test_the_description_does_not_depend_on_the_order_or_on_copies() -> None:
    texts = [f"text {number}" for number in range(500)]
    first, second = describe_test(texts, reserved=1), describe_test([*texts[::-1], texts[3]], reserved=1)
    assert (first["fingerprint"], first["sketch"]) == (second["fingerprint"], second["sketch"])
    assert (first["texts"], second["texts"]) == (500, 501)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_the_overlap_of_two_splits_is_estimated(both: int, one: int, other: int) -> None:
    first = split_of(range(both + one))
    second = describe_test(
        [f"text {n}" for n in range(both)] + [f"new {n}" for n in range(other)], reserved=0
    )
    union = both + one + other
    # 128 of the union are drawn: five standard errors at most.
    assert abs(overlap(first["sketch"], second["sketch"]) - (both / union if union else 1.0)) < 0.23
