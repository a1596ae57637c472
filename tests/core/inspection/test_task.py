"""The task of a table follows from its columns, and no task is guessed that only a person knows."""

import pytest

from pipeline.core.inspection.profiles import Roles
from pipeline.core.inspection.task import task_of

TONES = ("negative", "neutral", "positive")


@pytest.mark.parametrize(
    ("roles", "labels", "task"),
    [
        (Roles(label="tone"), TONES, "single_label"),
        (Roles(label="stars"), ("1", "2", "3", "4", "5"), "ordinal"),
        (Roles(label="stars", target="aspect"), ("1", "2", "3", "4", "5"), "aspect"),
        (Roles(label="score"), ("0", "1", "2"), "single_label"),
        (Roles(label="topics", separator=";"), ("food", "price"), "multi_label"),
        (Roles(one_hot=("food", "price"), several=True), ("food", "price"), "multi_label"),
        (Roles(one_hot=TONES), TONES, "single_label"),
        (Roles(label="polarity", target="aspect"), TONES, "aspect"),
        (Roles(spans="tags"), ("PER",), "token_labels"),
        (Roles(reference="summary"), (), "generation"),
    ],
)
def test_the_task_is_what_the_columns_show(roles: Roles, labels: tuple[str, ...], task: str) -> None:
    assert task_of(roles, labels) == task
