"""The data stages leave what they left when they held all records at once, whatever the batches are."""

import json
from pathlib import Path

import pytest
from made_tables import STAGES, run_stages, write_made

from pipeline.base.config import Workspace
from pipeline.io import files
from pipeline.io.params_file import load_profile
from pipeline.io.security.ray_cluster import RayCluster
from pipeline.io.streams.worker_pool import Batching
from pipeline.stages.context import StageContext

RECORDED = json.loads((Path(__file__).parents[1] / "fixtures" / "stage_digests.json").read_text("utf-8"))


@pytest.mark.parametrize("own_split", [False, True])
def test_the_output_is_that_of_the_stages_before_they_streamed(tmp_path: Path, own_split: bool) -> None:
    write_made(tmp_path / "made.csv", 1500, own_split=own_split)

    digests = run_stages(tmp_path, own_split=own_split, batching=Batching())

    # Recorded at 06e56e3; findings.json anew since each finding has a `detail`, and no other byte.
    assert digests == RECORDED["own split" if own_split else "by hash"]


@pytest.mark.parametrize(
    ("rows", "processes"), [(7, 1), pytest.param(1000, 2, marks=pytest.mark.slow), (400, 3)]
)
def test_batches_and_processes_change_no_byte(tmp_path: Path, rows: int, processes: int) -> None:
    written = []
    for batching in (Batching(8192, 1), Batching(rows, processes, rows_alone=0)):
        write_made(tmp_path / "made.csv", 1200, own_split=False)
        run_stages(tmp_path, own_split=False, batching=batching, validated=False)
        written.append([(tmp_path / stage / files.RECEIPT).read_bytes() for stage in STAGES])

    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("profile", "address", "expected"),
    [
        ("laptop", None, None),
        ("gpu", "head:6379", None),
        ("cluster", None, "local"),
        ("cluster", "head:6379", "head:6379"),
    ],
)
def test_the_profile_says_what_works_on_the_batches(
    tmp_path: Path, profile: str, address: str | None, expected: str | None
) -> None:
    workspace = Workspace.of(tmp_path, {"RAY_ADDRESS": address} if address else {})

    cluster = StageContext(workspace, load_profile(profile)).batching.cluster

    assert cluster == (RayCluster(expected, workspace.ray_token) if expected else None)
