"""T01: killed in any stage, the line ends as if it never was."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

STAGES = ["collect", "clean", "validate", "split", "pretrain", "finetune", "compress", "evaluate"]


def left(folder):
    """Give the digests of every stage's files."""
    return {path.parent.name: json.loads(path.read_text())["files"] for path in Path(folder, "data").glob("*/receipt.json")}


@pytest.mark.timeout(600)
def test_killed_in_every_stage_the_line_goes_on_and_ends_with_the_same_digests(new_workspace, tiny, tmp_path):
    straight, killed = new_workspace(tmp_path / "straight"), new_workspace(tmp_path / "killed")
    whole = straight("run", *tiny)

    begun = [killed.killed_in(stage, "run", *tiny) for stage in STAGES]
    last = killed("run", *tiny)
    again = killed("run")

    assert (whole.code, last.code, again.code) == (0, 0, 0), last.err
    # Each run begins with the stage that was killed before; what had finished is never begun again.
    assert begun[0] == ["identity", "collect"]
    assert begun[1:] == [["identity", killed_before, stage] for killed_before, stage in pairwise(STAGES)]
    assert last.stages("begins") == ["identity", "evaluate"]
    assert again.stages("begins") == ["identity"]
    assert left(killed.folder) == left(straight.folder)
    assert [move["to"] for move in killed("release", "list").answer] == ["R1"]
    assert killed("release", "show").answer["model_version"] == "1"
    assert [version["name"] for version in killed("data", "list").answer] == ["v1"]
    assert killed("release", "show").answer["metrics"] == straight("release", "show").answer["metrics"]
    assert not list(Path(killed.folder, "data").glob(".*.desk-*"))
