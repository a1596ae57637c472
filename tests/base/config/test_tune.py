"""The section `tune`: what a search may draw from is checked before it starts."""

from typing import Any

import pytest
import yaml

from pipeline.base.config import Params
from pipeline.base.config.parsing import parse_params, validate_section
from pipeline.base.errors import ConfigError


def params(root: Any, ranges: object) -> Params:
    content = yaml.safe_load((root / "params.yaml").read_text("utf-8"))
    content["tune"]["ranges"] = ranges
    return validate_section(Params, content, root / "params.yaml")


@pytest.mark.parametrize(
    ("ranges", "sentence"),
    [
        ({"finetune.epochz": {"choices": [1]}}, r"names finetune\.epochz, which is no key .* epochs"),
        ({"pretrain.steps": {"choices": [1]}}, r"names pretrain\.steps, which is no key that a search can"),
        ({"finetune": {"choices": [1]}}, "names finetune, which is no key"),
        ({"finetune.epochs.more": {"choices": [1]}}, r"names finetune\.epochs\.more, which is no key"),
        ({"finetune.epochs": {"low": 3, "high": 3, "log": False}}, r"finetune\.epochs: the range is empty"),
        ({"finetune.epochs": {"low": 3, "high": 1, "log": False}}, "low 3 is not below high 1"),
        ({"finetune.dropout": {"low": 0, "high": 0.5, "log": True}}, "begins above 0.*log: false"),
        ({"finetune.dropout": {"low": 0, "high": 1.5, "log": False}}, r"finetune\.dropout cannot be 1\.5"),
        ({"finetune.epochs": {"low": 1, "high": 2.5, "log": False}}, r"finetune\.epochs cannot be 2\.5"),
        ({"finetune.targets": {"choices": ["labels", "stars"]}}, r"finetune\.targets cannot be stars"),
        ({"finetune.epochs": {"low": 1, "log": False}}, r"finetune\.epochs\.high is missing"),
        ({"finetune.epochs": {"choices": []}}, r"finetune\.epochs\.choices: .* at least 1"),
        ({}, r"tune\.ranges: .* at least 1"),
    ],
)
def test_a_range_that_cannot_be_searched_is_named(root: Any, ranges: object, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        params(root, ranges)


def test_a_workspace_of_before_gets_the_section(root: Any) -> None:
    content = yaml.safe_load((root / "params.yaml").read_text("utf-8"))
    del content["tune"]

    assert parse_params(yaml.safe_dump(content, sort_keys=False)).tune.trials == 16


def test_searched_values_replace_those_of_the_section(root: Any) -> None:
    before = params(root, {"finetune.epochs": {"choices": [1]}})

    after = before.with_searched({"finetune.epochs": 3, "finetune.learning_rate": 1e-3})

    assert (after.finetune.epochs, after.finetune.learning_rate) == (3, 1e-3)
    assert before.finetune.epochs == 1
    assert after.finetune.batch_size == before.finetune.batch_size
