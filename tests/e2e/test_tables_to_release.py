"""Tables as people bring them, from `init --from` to a release in service: nothing but the size is set."""

import shutil
from pathlib import Path

import pytest

CASES = Path(__file__).parents[1] / "fixtures" / "cases"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def small(tiny):
    """Return the arguments of `run` for a tiny model that learns the table's own labels and words."""
    kept = [one for one in tiny[1::2] if not one.startswith(("collect.labels", "encoder.scratch"))]
    scratch = "encoder.scratch={vocabulary: 3000, width: 32, layers: 1, heads: 2, feed_forward: 64}"
    # A hundred texts teach little, and nobody asks here how much.
    ordinal = "gate.ordinal={max_mean_error: 9.0, min_weighted_kappa: 0.0, error_margin: 0.9}"
    changes = [*kept, scratch, "gate.min_macro_f1=0.0", ordinal]
    return [part for change in changes for part in ("--set", change)]


@pytest.mark.parametrize(
    ("case", "labels"),
    [
        ("03-label-variants.csv", {"negative", "neutral", "positive"}),
        ("14-nested-array.json", {"1", "2", "3", "4", "5"}),
        ("30-chinese.csv", {"negative", "positive"}),
        ("32-five-stars.csv", {"1", "2", "3", "4", "5"}),
    ],
)
def test_a_table_becomes_a_release_that_predicts(command_in, small, tmp_path, case, labels):
    shutil.copy(CASES / case, tmp_path)
    command = command_in(tmp_path)
    begun = command("init", "w", "--from", case)
    assert begun.code == 0, begun.err
    command = command_in(tmp_path / "w")

    first = command("run", *small, timeout=600)

    assert first.code == 0, first.err
    assert first.json["document"]["release"] == "R1"
    predicted = command("predict", "good", "很好，非常满意").json
    assert set(predicted[0]["probabilities"]) == labels
    assert command("run").json["ran"] == []
