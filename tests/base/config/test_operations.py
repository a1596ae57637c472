"""The operational sections: one budget of false alarms, also in params of earlier versions."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.base.config.operations import WatchConfig

ROOT = Path(__file__).parents[3]


@pytest.fixture
def watch() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))["watch"])


def test_the_budget_for_drift_of_an_earlier_version_is_that_of_the_watch(watch: dict[str, Any]) -> None:
    del watch["false_alarms_per_quarter"], watch["max_judged_topics"], watch["drift"]["learning_weeks"]
    watch["drift"]["false_alarms_per_quarter"] = 3.0
    watch["change_points"]["false_alarms_per_quarter"] = 1.0

    cfg = WatchConfig.model_validate(watch)

    assert (cfg.false_alarms_per_quarter, cfg.max_judged_topics, cfg.drift.learning_weeks) == (3.0, 30, 4.0)


def test_the_budget_of_the_watch_wins_over_that_of_an_earlier_version(watch: dict[str, Any]) -> None:
    watch["drift"]["false_alarms_per_quarter"] = 3.0

    assert WatchConfig.model_validate(watch).false_alarms_per_quarter == 1.0


@pytest.mark.parametrize("content", [{"drift": None}, {"drift": 3}, []])
def test_a_section_of_another_shape_is_rejected_by_its_type(content: Any) -> None:
    with pytest.raises(ValueError, match="validation error"):
        WatchConfig.model_validate(content)
