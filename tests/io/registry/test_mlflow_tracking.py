"""Names in MLflow: each of ours is one of its own there, in characters that every backend takes."""

import re

import pytest

from pipeline.io.registry.mlflow_tracking import flatten


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"slices": {"movie": {"f1": 0.5}}}, {"slices.movie.f1": "0.5"}),
        ({"seeds": [3, 4]}, {"seeds.0": "3", "seeds.1": "4"}),
        ({"a/b c": 1}, {"a_b_c": "1"}),
        # Alone a name stays readable; two that would be one show what they were.
        ({"f1": {"😀": 1}}, {"f1._": "1"}),
        ({"f1": {"😀": 1, "😡": 2}}, {"f1._1f600": "1", "f1._1f621": "2"}),
        ({"very good": 1, "very_good": 2}, {"very_20good": "1", "very_good": "2"}),
    ],
)
def test_names_are_flat_and_none_is_lost(values, expected):
    found = flatten(values)

    assert found == expected
    assert all(re.fullmatch(r"[\w.-]+", name) for name in found)
