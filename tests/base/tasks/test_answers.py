"""Answers of the tasks: how records, people and models spell them."""

import pytest

from pipeline.base.labels import LabelMap
from pipeline.base.tasks import (
    MULTI_LABEL,
    ORDINAL,
    SINGLE_LABEL,
    TaskName,
    answer_form,
    are_comparable,
    is_collected,
)

KNOWN = ("food", "service", "price")
ANY, ONE = answer_form(MULTI_LABEL), answer_form(SINGLE_LABEL)


@pytest.mark.parametrize(
    ("label", "more", "answer"),
    [
        ("food", "", "food"),
        ("price", '["food"]', "food + price"),
        ("price + food", "", "food + price"),
        ("", "[]", "no label"),
    ],
)
def test_labels_of_a_record_are_joined_in_order(label: str, more: str, answer: str) -> None:
    assert ANY.fault(label, more, KNOWN) is None
    assert ANY.answer(label, more, KNOWN) == answer


@pytest.mark.parametrize(
    ("label", "more", "fault"),
    [
        ("", "", "no label"),
        ("weather", "", "unknown label"),
        ("food", '["weather"]', "unknown label"),
        ("food + weather", "", "unknown label"),
    ],
)
def test_labels_that_are_missing_or_unknown_are_a_fault(label: str, more: str, fault: str) -> None:
    assert ANY.fault(label, more, KNOWN) == fault


def test_a_task_of_one_label_takes_no_second_one() -> None:
    assert ONE.fault("food", '["price"]', KNOWN) == "several labels"
    assert ONE.fault("food + price", "", KNOWN) == "unknown label"
    assert ONE.fault("", "[]", KNOWN) == "no label"
    assert answer_form(ORDINAL).fault("food", "", KNOWN) is None


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        ("Price+food", "food + price"),
        ("food", "food"),
        ("No label", "no label"),
        ("food + weather", None),
        ("", None),
    ],
)
def test_what_people_write_is_read_in_any_order(written: str, answer: str | None) -> None:
    assert ANY.read(written, KNOWN) == answer


def test_an_answer_is_taken_apart_again() -> None:
    assert ANY.labels_of("food + price") == ("food", "price")
    assert ANY.labels_of("no label") == ()
    assert ONE.labels_of("food") == ("food",)


@pytest.mark.parametrize("labels", [("a+b", "c"), ("no label", "c"), ("No Label", "c")])
def test_labels_that_look_like_an_answer_are_refused(labels: tuple[str, ...]) -> None:
    assert ANY.set_fault(labels) is not None
    assert ONE.set_fault(labels) is None


def test_stored_answers_of_every_task_are_collected() -> None:
    assert is_collected("food", KNOWN)
    assert is_collected("food + price", KNOWN)
    assert is_collected("no label", KNOWN)
    assert not is_collected("food + weather", KNOWN)


@pytest.mark.parametrize("written", ["['food']", '["food"]', "[food]", "{food}"])
def test_a_list_of_one_is_its_label(written: str) -> None:
    assert LabelMap(KNOWN, {}).find_all(written, None) == ["food"]


@pytest.mark.parametrize(
    ("task", "other", "comparable"),
    [
        ("single_label", "ordinal", True),
        ("aspect", "aspect", True),
        ("single_label", "aspect", False),
        ("multi_label", "single_label", False),
        ("multi_label", "token_labels", False),
    ],
)
def test_answers_are_compared_where_they_are_about_the_same(
    task: TaskName, other: TaskName, comparable: bool
) -> None:
    assert are_comparable(task, other) == are_comparable(other, task) == comparable
