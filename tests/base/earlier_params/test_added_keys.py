"""A params.yaml of an earlier version gets the keys that it lacks."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.base.config.parsing import parse_params
from pipeline.base.earlier_params.added_keys import ADDED_KEYS, add_missing_keys
from pipeline.io.params_file import load_params, set_param

PARAMS = Path(__file__).parents[3] / "params.yaml"


def earlier(*paths: str) -> Any:
    """Return the content of params.yaml without these keys."""
    content = yaml.safe_load(PARAMS.read_text("utf-8"))
    for path in paths:
        *sections, key = path.split(".")
        section = content
        for name in sections:
            # Without its section a key is gone already.
            section = section.get(name, {})
        section.pop(key, None)
    return content


def test_an_earlier_file_is_read_with_the_values_of_the_preset(tmp_path: Path) -> None:
    text = yaml.safe_dump(earlier(*ADDED_KEYS), sort_keys=False)
    (tmp_path / "params.yaml").write_text(text, "utf-8")

    assert load_params(tmp_path / "params.yaml") == load_params(PARAMS)
    assert parse_params(text).gate == load_params(PARAMS).gate


@pytest.mark.parametrize("path", ADDED_KEYS)
def test_each_added_key_is_added_alone(path: str) -> None:
    content = earlier(path)
    assert add_missing_keys(content) == [path]
    assert add_missing_keys(content) == []
    assert content == yaml.safe_load(PARAMS.read_text("utf-8"))


def test_a_value_that_is_there_stays() -> None:
    content = earlier()
    content["gate"]["looks"] = 7
    assert add_missing_keys(content) == []
    assert content["gate"]["looks"] == 7


@pytest.mark.parametrize("content", [None, [], {}, {"gate": None}, {"gate": [1]}])
def test_what_is_no_params_file_is_left_alone(content: Any) -> None:
    assert add_missing_keys(content) == []


def test_an_added_key_can_be_set_in_an_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(earlier(*ADDED_KEYS), sort_keys=False), "utf-8")
    set_param(path, "gate.looks=9")
    assert load_params(path).gate.looks == 9
