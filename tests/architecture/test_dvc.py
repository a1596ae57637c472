"""`dvc.yaml` and the STAGES table agree: the same stages, folders, sections and commands."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.stages.table import STAGES

OUT = {stage.name: stage.out for stage in STAGES}


@pytest.fixture(scope="module")
def declared(root: Path) -> dict[str, Any]:
    return yaml.safe_load((root / "dvc.yaml").read_text("utf-8"))["stages"]


def test_dvc_declares_the_stages_in_their_order(declared: dict[str, Any]) -> None:
    assert list(declared) == [stage.name for stage in STAGES]


def test_dvc_runs_each_stage_through_the_command_line(declared: dict[str, Any]) -> None:
    assert {name: stage["cmd"] for name, stage in declared.items()} == {
        name: f"tonewatch stage {name}" for name in OUT
    }


def test_each_stage_depends_on_its_input_folders_and_its_own_code(declared: dict[str, Any]) -> None:
    expected = {
        s.name: {*(OUT[name] for name in s.inputs), f"{OUT['identity']}/{s.name}"}
        for s in STAGES
        if s.name != "identity"
    }

    assert {
        name: set(_names(stage.get("deps", []))) for name, stage in declared.items() if name != "identity"
    } == expected


def test_code_digests_are_computed_on_every_run(declared: dict[str, Any]) -> None:
    assert declared["identity"].get("always_changed") is True
    assert declared["identity"].get("deps", []) == []


def test_each_stage_writes_one_folder(declared: dict[str, Any]) -> None:
    assert {name: _names(stage["outs"]) for name, stage in declared.items()} == {
        name: [out] for name, out in OUT.items()
    }


def test_each_stage_depends_on_the_sections_it_declares(declared: dict[str, Any]) -> None:
    assert {name: sorted(stage.get("params", [])) for name, stage in declared.items()} == {
        s.name: sorted(s.sections) for s in STAGES
    }


def test_a_stage_reads_only_folders_of_earlier_stages() -> None:
    order = list(OUT)

    assert [
        (s.name, name) for s in STAGES for name in s.inputs if order.index(name) >= order.index(s.name)
    ] == []


def test_git_tracks_no_folder_of_a_stage(root: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--", *OUT.values()], cwd=root, capture_output=True, text=True, check=True
    )

    assert listed.stdout == ""


def _names(entries: list[Any]) -> list[str]:
    """Read the paths of deps or outs, whether or not they carry settings."""
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def test_dvc_sees_one_pipeline_here_and_not_those_of_the_presets(root: Path) -> None:
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        files = {Path(stage.path).relative_to(root).as_posix() for stage in repo.index.stages}

    assert files == {"dvc.yaml"}
