"""The small workspace of `world`, under git and DVC: dvc.lock records what a candidate is made from."""

from pathlib import Path

import world

from pipeline.base.config import Workspace
from pipeline.base.documents import ReleaseRecord
from pipeline.base.records import Receipt
from pipeline.io import files, parquet
from pipeline.io.versioning.dvc_cache import DvcCache
from pipeline.release import promote

STAGES = ("split", "compress", "evaluate")


def build(root: Path, mlflow_uri: str | None = None) -> Workspace:
    """Write what a candidate is judged by into a workspace with a recorded run of every stage."""
    lock = (root / "dvc.lock").read_text("utf-8")
    home = root / ".tonewatch"
    places = world.build(root, mlflow_uri or f"sqlite:///{home}/mlflow.db")
    (root / "dvc.lock").write_text(lock, "utf-8")
    for stage in ("validate", "finetune"):
        DvcCache(root).commit(stage)
    return places


def write_split(places: Workspace, fingerprint: str) -> None:
    """Write other data of the same texts."""
    with files.staging_dir(places.root / "data" / "splits") as staging:
        parquet.write_texts(staging / "test.parquet", world.TEXTS)
        (staging / "note.txt").write_text(fingerprint)
        files.write_receipt(staging, Receipt("split", notes={"fingerprint": fingerprint}))


def judge(places: Workspace, *, wrong: int) -> ReleaseRecord:
    """Write a candidate on data of its own, record it in DVC and judge it."""
    write_split(places, f"{wrong:064x}")
    world.candidate(places, wrong=wrong)
    cache = DvcCache(places.root)
    for stage in STAGES:
        cache.commit(stage)
    return world.judged(places, wrong=wrong, data_version=f"v{wrong}")


def serve(places: Workspace, *, wrong: int) -> ReleaseRecord:
    """Judge a recorded candidate and promote it."""
    document = judge(places, wrong=wrong)
    moved = promote.release(places, document, **world.WHO)
    assert moved is not None
    assert moved.pending == ()
    return document
