"""Whether labels are a scale: by their numbers, or by words whose order is known."""

import pytest

from pipeline.base.tasks import scale_fault


@pytest.mark.parametrize(
    "labels",
    [
        ["1", "2", "3", "4", "5"],
        ["5", "4", "3"],
        ["-1", "0", "1.5"],
        ["1 star", "2 stars", "3 stars"],
        ["one star", "two stars", "three stars"],
        ["1-2", "3-4", "5"],
        ["negative", "neutral", "positive"],
        ["Very Negative", "negative", "positive"],
        ["bad", "fine", "good"],
        ["low", "medium", "high"],
        ["strongly agree", "agree", "disagree"],
    ],
)
def test_numbers_and_known_words_in_order_are_a_scale(labels: list[str]) -> None:
    assert scale_fault(labels) is None


@pytest.mark.parametrize(
    ("labels", "fault"),
    [
        (["1", "3", "2"], "they are out of order, which is 1, 2, 3"),
        (["negative", "positive", "neutral"], "they are out of order, which is negative, neutral, positive"),
        (["1", "2", "2 stars"], "'2' and '2 stars' have the same place on it"),
        (["1", "2", "good"], "'1' holds a number, and 'good' holds none"),
        (["1", "2", "unknown"], "'unknown' has no place on a scale"),
        (["joy", "anger", "fear"], "no order of joy, anger, fear is known"),
        (["bad", "good"], "2 labels have no order that tells more than they do themselves"),
    ],
)
def test_other_labels_are_none_and_it_says_why(labels: list[str], fault: str) -> None:
    assert scale_fault(labels) == fault
