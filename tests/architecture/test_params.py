"""`params.yaml` is the only home of a number: every key is read from its owner, every section watched."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from attribute_reads import Names, Signatures, attribute_reads

from pipeline.io.params_file import load_params

# Read by use cases and not by stages of DVC.
SECTIONS_OF_USE_CASES = {"data", "serve", "watch", "schedule", "tune"}

# `validate` is a method of pydantic's models.
ALIASES = {"validate": "validation"}

# The class that reads a section is chosen by it, so no code reads it.
DISCRIMINATOR = "kind"


@pytest.fixture(scope="module")
def reads(sources: dict[str, ast.Module]) -> tuple[set[tuple[str, str]], Signatures]:
    return attribute_reads(
        sources.values(), [tree for path, tree in sources.items() if "base/config/" not in path]
    )


def test_params_yaml_is_valid(root: Path) -> None:
    assert load_params(root / "params.yaml").seed == 20


def test_every_key_is_read_from_the_section_that_owns_it(params: dict[str, Any], reads: Any) -> None:
    keys = dict(owned_keys(params, frozenset({"Params"}), reads[1]))

    assert len(keys) > 150
    assert [key for key, owners in keys.items() if not is_read(key, owners, *reads)] == []


def test_a_key_read_only_from_another_section_is_detected() -> None:
    tree = ast.parse(
        "class Section: ...\n"
        "class Fit(Section):\n    rate: float\n    steps: int\n"
        "class Cut(Section):\n    rate: float\n"
        "class Params(Section):\n    fit: Fit\n    cuts: tuple[Cut, ...]\n"
        "class Timed(Protocol):\n    steps: int\n"
        "class Job:\n"
        "    def __init__(self, params: Params, timed: Timed) -> None:\n"
        "        self._params, self._timed = params, timed\n"
        "    def run(self) -> None:\n"
        "        print([cut.rate for cut in self._params.cuts], self._params.fit, self._timed.steps)\n"
    )
    reads, signatures = attribute_reads([tree], [tree])
    params = {"fit": {"rate": 1, "steps": 2}, "cuts": [{"rate": 1}]}
    keys = dict(owned_keys(params, frozenset({"Params"}), signatures))

    assert [key for key, owners in keys.items() if not is_read(key, owners, reads, signatures)] == [
        "fit.rate"
    ]


def test_every_section_is_watched_by_a_stage_or_read_by_a_use_case(
    root: Path, params: dict[str, Any]
) -> None:
    stages = yaml.safe_load((root / "dvc.yaml").read_text("utf-8"))["stages"]
    watched = {key.partition(".")[0] for stage in stages.values() for key in stage.get("params", [])}

    assert set(params) - watched == SECTIONS_OF_USE_CASES


def owned_keys(
    node: object, owners: Names, signatures: Signatures, path: str = ""
) -> Iterator[tuple[str, Names]]:
    """Yield the path of each key with the classes that declare it; keys of a mapping are data, left out."""
    if isinstance(node, list):
        for item in node:
            yield from owned_keys(item, owners, signatures, path)
    elif isinstance(node, dict):
        for key, value in node.items():
            name = ALIASES.get(key, key)
            declaring = frozenset(one for one in owners if _declares(one, name, signatures))
            if declaring:
                yield f"{path}{key}", declaring
                types = frozenset[str]().union(*(signatures.attribute(one, name) for one in declaring))
                yield from owned_keys(value, signatures.resolved(types), signatures, f"{path}{key}.")


def is_read(key: str, owners: Names, reads: set[tuple[str, str]], signatures: Signatures) -> bool:
    """Return whether the last name of a path is read from one of its owners, their bases or protocols."""
    name = key.rpartition(".")[2]
    name = ALIASES.get(name, name)
    classes = {
        one for owner in owners for one in (*signatures.ancestors(owner), *signatures.satisfied_by(owner))
    }
    return name == DISCRIMINATOR or any((one, name) in reads for one in classes)


def _declares(owner: str, name: str, signatures: Signatures) -> bool:
    return any(name in signatures.attributes.get(one, {}) for one in signatures.ancestors(owner))
