"""Forgetting reaches the DVC remotes: no byte is left there; one that does not answer is pending."""

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from secrets_kept import SECRET, built, by_id, contents, files_holding, in_child

from pipeline.base.config import Workspace
from pipeline.io.forgetting.record import read_record
from pipeline.io.journal.digest_key import read_digest_key
from pipeline.operations.consistency import check_remotes
from pipeline.operations.data import remotes
from pipeline.operations.forgetting import forget_records
from pipeline.operations.forgetting.records import finish_forgetting


@pytest.fixture(scope="module")
def whole(_filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("whole")
    places = built(Path(shutil.copytree(_filled, base / "workspace", symlinks=True)))
    read_digest_key(places.journal_key)
    # A relative address: each copy of the workspace has a remote of its own.
    remotes.use_remote(places, str(base / "remote"), name="store", endpoint=None)
    config = places.root / ".dvc" / "config"
    config.write_text(config.read_text().replace(str(base / "remote"), "../../remote"))
    return base


@pytest.fixture
def places(whole: Path, tmp_path: Path) -> Workspace:
    shutil.copytree(whole, tmp_path / "base", symlinks=True)
    return Workspace.of(tmp_path / "base" / "workspace", {})


def remote_of(places: Workspace) -> Path:
    return places.root.parent / "remote"


def test_no_byte_is_left_in_the_remote_and_what_others_need_stays(places: Workspace) -> None:
    remote = remote_of(places)
    before = {path for path in remote.rglob("*") if path.is_file()}
    held = set(files_holding(remote, SECRET))
    # The same text in an object that no version names, and one that was set aside.
    (stray,) = (path for path in before if str(path.relative_to(remote)) in list(held)[:1])
    aside = remote / "set-aside" / "x-1"
    aside.parent.mkdir()
    aside.write_bytes(contents(stray))
    assert len(held) >= 3

    report = forget_records(places, by_id("mine:r90"), dry_run=False)

    assert report.remotes == {"store": len(held) + 1}
    assert files_holding(remote, SECRET, "r90") == []
    assert before - {path for path in remote.rglob("*") if path.is_file()} == {remote / one for one in held}
    assert read_record(places.root)["pending"] == {}
    assert any("DVC remote store: " in line for line in report.sentences())


def test_a_dry_run_counts_and_removes_nothing(places: Workspace) -> None:
    held = files_holding(remote_of(places), SECRET)

    report = forget_records(places, by_id("mine:r90"), dry_run=True)

    assert report.remotes == {"store": len(held)}
    assert files_holding(remote_of(places), SECRET) == held


def test_a_remote_that_does_not_answer_is_pending_until_it_does(places: Workspace) -> None:
    remote = remote_of(places)
    shutil.move(remote, remote.with_name("elsewhere"))
    remote.write_text("not a folder")

    report = forget_records(places, by_id("mine:r90"), dry_run=False)

    assert files_holding(places.root, SECRET, "r90") == []
    assert list(read_record(places.root)["pending"]) == ["store"]
    assert any("Not finished: the DVC remote store" in line for line in report.sentences())
    assert "forgetting is not finished in store" in check_remotes(places).message

    remote.unlink()
    shutil.move(remote.with_name("elsewhere"), remote)
    assert files_holding(remote, SECRET)
    finish_forgetting(places)
    assert files_holding(remote, SECRET, "r90") == []
    assert check_remotes(places).ok


@pytest.mark.parametrize("fatal", [1, 3, "local"])
def test_killed_in_the_middle_the_next_command_finishes_it(places: Workspace, fatal: int | str) -> None:
    def killed() -> None:
        removed = 0

        def hook(name: str, arguments: tuple[Any, ...]) -> None:
            nonlocal removed
            if name == "os.kill":  # our own
                return
            removed += name == "os.remove" and str(remote_of(places)) in str(arguments[0])
            # Locally: the record is written, the tables are not yet.
            local = name == "os.mkdir" and "staging" in str(arguments[0])
            if removed == fatal or (fatal == "local" and local):
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        forget_records(places, by_id("mine:r90"), dry_run=False)

    assert in_child(killed) == -signal.SIGKILL
    assert read_record(places.root)["pending"]

    finish_forgetting(places)

    assert files_holding(places.root.parent, SECRET, "r90") == [
        one for one in files_holding(places.root.parent, SECRET, "r90") if one.endswith("-source.csv")
    ]
    assert read_record(places.root)["pending"] == {}
