"""`params.yaml` is the only home of a number: every key is read, and DVC watches every section."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from pipeline.io.params_file import load_params

# Read by acts, which are not DVC stages: which data version to stand on, the gate that decides, and how the line is operated.
SECTIONS_OF_ACTS = {"data", "gate", "serve", "watch", "schedule"}

MAPS = {"label_map", "words", "abilities"}

# The class that reads a section or a source is chosen by these, so no code asks for them by name.
DISCRIMINATORS = {"kind"}


def test_params_yaml_is_valid(root: Path) -> None:
    assert load_params(root / "params.yaml").seed == 20


def test_every_key_of_params_yaml_is_read_by_the_code(
    params: dict[str, Any], sources: dict[str, ast.Module]
) -> None:
    aliases = {"validate": "validation"}
    read = set().union(
        *(_read(tree) for path, tree in sources.items() if not path.startswith("pipeline/config/params"))
    )

    unread = {key for key in _keys(params) if aliases.get(key, key) not in read}

    assert unread - DISCRIMINATORS == set()


def test_every_section_is_watched_by_a_stage_or_read_by_an_act(root: Path, params: dict[str, Any]) -> None:
    stages = yaml.safe_load((root / "dvc.yaml").read_text("utf-8"))["stages"]
    watched = {key.partition(".")[0] for stage in stages.values() for key in stage.get("params", [])}

    assert set(params) - watched == SECTIONS_OF_ACTS


def test_a_key_that_nobody_reads_would_be_found() -> None:
    tree = ast.parse("rate = cfg.learning_rate")

    assert set(_keys({"finetune": {"learning_rate": 1, "forgotten": 2}})) - _read(tree) == {
        "finetune",
        "forgotten",
    }


def _read(tree: ast.Module) -> set[str]:
    """Name what a module reads as an attribute, or takes as an argument where a section is handed on by keywords."""
    attributes = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    keywords = {
        arg.arg for node in ast.walk(tree) if isinstance(node, ast.arguments) for arg in node.kwonlyargs
    }
    return attributes | keywords


def _keys(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield key
            # Labels of a source, lists of words and names of abilities: their keys are data.
            yield from _keys(value) if key not in MAPS else ()
    elif isinstance(node, list):
        for value in node:
            yield from _keys(value)
