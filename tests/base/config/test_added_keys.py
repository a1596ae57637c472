"""Keys that a params.yaml of an earlier version lacks."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.base.config.added_keys import ADDED_KEYS
from pipeline.io.params_file import load_params, set_param

ROOT = Path(__file__).parents[3]


def without(dotted: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    section = content
    *names, key = dotted.split(".")
    for name in names:
        section = section[name]
    del section[key]
    return content


@pytest.mark.parametrize("dotted", ADDED_KEYS)
def test_a_file_without_an_added_key_is_read_with_the_presets(dotted: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(without(dotted), sort_keys=False, allow_unicode=True), "utf-8")

    assert load_params(path) == load_params(ROOT / "params.yaml")

    set_param(path, "finetune.epochs=7")
    assert load_params(path).finetune.epochs == 7
