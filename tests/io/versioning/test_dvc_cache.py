"""What DVC remembers, in a real repository: what may be skipped, what comes back, what is not trusted."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.base.errors import ConfigError, DigestMismatch, Fault, NotAWorkspace
from pipeline.io import files
from pipeline.io.params_file import set_param
from pipeline.io.versioning.code_digest import write_identities
from pipeline.io.versioning.dvc_cache import DvcCache

LINE = ("collect", "clean", "validate", "split", "pretrain", "finetune", "compress", "evaluate")
Leave = Callable[[Path, str, str], None]


def unchanged(root: Path) -> list[str]:
    memory = DvcCache(root)
    return [stage for stage in LINE if memory.unchanged(stage)]


def cached(root: Path, content: str) -> Path:
    """Find the cache object that holds a text."""
    (found,) = (
        path
        for path in (root / ".dvc/cache/files").rglob("*")
        if path.is_file() and path.read_bytes() == content.encode()
    )
    return found


def flip(path: Path) -> None:
    """Flip one bit and leave no trace in size, time or rights."""
    before, content = path.stat(), bytearray(path.read_bytes())
    content[0] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(before.st_mode)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_stage_that_ran_is_unchanged_and_identity_never_is(workspace: Path) -> None:
    assert unchanged(workspace) == list(LINE)
    assert not DvcCache(workspace).unchanged("identity")


def test_the_cache_works_from_any_folder(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    DvcCache(workspace).commit("split")

    assert DvcCache(workspace).unchanged("split")


def test_another_number_changes_the_stage_that_reads_it(workspace: Path) -> None:
    set_param(workspace / "params.yaml", "compress.uncertain_share=0.5")

    assert unchanged(workspace) == [stage for stage in LINE if stage != "compress"]


def test_another_seed_changes_the_stages_that_read_it(workspace: Path) -> None:
    set_param(workspace / "params.yaml", "seed=21")

    assert unchanged(workspace) == ["collect", "clean", "validate", "split"]


def test_other_code_changes_its_stage(workspace: Path) -> None:
    write_identities(
        workspace / "data/identity",
        {stage: f"code of {stage}{'!' if stage == 'clean' else ''}" for stage in LINE},
    )

    assert unchanged(workspace) == [stage for stage in LINE if stage != "clean"]


def test_another_input_changes_the_stages_that_read_it(workspace: Path, leave: Leave) -> None:
    leave(workspace, "finetune", "finetune 2")
    DvcCache(workspace).commit("finetune")

    assert unchanged(workspace) == [stage for stage in LINE if stage != "compress"]


@pytest.mark.parametrize("lost", [True, False])
def test_a_lost_or_changed_output_is_restored_from_the_cache(
    workspace: Path, leave: Leave, lost: bool
) -> None:
    shutil.rmtree(workspace / "data/raw") if lost else leave(workspace, "collect", "by hand")

    assert DvcCache(workspace).unchanged("collect")
    assert (workspace / "data/raw/content.txt").read_text() == "collect 1"


def test_a_lost_output_without_a_cache_object_means_changed(workspace: Path) -> None:
    shutil.rmtree(workspace / "data/raw")
    cached(workspace, "collect 1").unlink()

    assert not DvcCache(workspace).unchanged("collect")


def test_an_emptied_cache_is_refilled_from_valid_folders(workspace: Path) -> None:
    shutil.rmtree(workspace / ".dvc/cache")

    assert DvcCache(workspace).unchanged("collect")
    assert cached(workspace, "collect 1").is_file()


def test_a_changed_cache_object_is_replaced_by_a_new_run(workspace: Path, leave: Leave) -> None:
    shutil.rmtree(workspace / "data/raw")
    flip(bad := cached(workspace, "collect 1"))

    assert not DvcCache(workspace).unchanged("collect")
    leave(workspace, "collect", "collect 1")
    DvcCache(workspace).commit("collect")

    assert bad.read_text() == "collect 1"
    assert (workspace / "data/raw/content.txt").read_text() == "collect 1"


def test_an_earlier_run_on_the_same_inputs_is_restored(workspace: Path, leave: Leave) -> None:
    memory, params = DvcCache(workspace), workspace / "params.yaml"
    set_param(params, "compress.uncertain_share=0.5")
    assert not memory.restored("compress")
    leave(workspace, "compress", "compress 2")
    memory.commit("compress")

    set_param(params, "compress.uncertain_share=0.05")

    assert not memory.unchanged("compress")
    assert memory.restored("compress")
    assert (workspace / "data/candidate/content.txt").read_text() == "compress 1"
    assert unchanged(workspace) == list(LINE)


def test_a_restored_stage_with_changed_bytes_is_not_restored(workspace: Path, leave: Leave) -> None:
    memory, params = DvcCache(workspace), workspace / "params.yaml"
    set_param(params, "compress.uncertain_share=0.5")
    leave(workspace, "compress", "compress 2")
    memory.commit("compress")
    set_param(params, "compress.uncertain_share=0.05")
    flip(cached(workspace, "compress 1"))

    assert not memory.restored("compress")


def test_restore_names_the_changed_object_and_changes_nothing(workspace: Path, leave: Leave) -> None:
    leave(workspace, "split", "mine")
    flip(bad := cached(workspace, "split 1"))

    with pytest.raises(DigestMismatch, match=str(bad)):
        DvcCache(workspace).restore((workspace / "dvc.lock").read_text("utf-8"))

    assert (workspace / "data/splits/content.txt").read_text() == "mine"


def test_restore_repairs_a_silently_changed_folder(workspace: Path) -> None:
    assert unchanged(workspace) == list(LINE)
    flip(workspace / "data/splits/content.txt")

    DvcCache(workspace).restore((workspace / "dvc.lock").read_text("utf-8"))

    assert (
        files.verified_receipt(workspace / "data/splits", made_by="split").notes["fingerprint"] == "split 1"
    )


def test_a_missing_cache_object_is_named(workspace: Path) -> None:
    (lost := cached(workspace, "split 1")).unlink()

    with pytest.raises(Fault, match=f"{lost} is missing"):
        DvcCache(workspace).restore((workspace / "dvc.lock").read_text("utf-8"))


def test_an_error_of_dvc_is_reported_with_its_message(workspace: Path) -> None:
    (workspace / "dvc.yaml").write_text("stages: [")

    with pytest.raises(Fault, match=r"DVC failed in.*dvc\.yaml"):
        DvcCache(workspace).unchanged("split")


def test_dvc_prints_nothing(workspace: Path, leave: Leave, capfd: pytest.CaptureFixture[str]) -> None:
    leave(workspace, "split", "split 2")
    DvcCache(workspace).commit("split")
    shutil.rmtree(workspace / "data/splits")
    DvcCache(workspace).restore((workspace / "dvc.lock").read_text("utf-8"))

    assert capfd.readouterr() == ("", "")


def test_a_folder_outside_git_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(NotAWorkspace, match="git init"):
        DvcCache(tmp_path)


def test_an_unknown_stage_is_a_fault_of_dvc_yaml(workspace: Path) -> None:
    with pytest.raises(ConfigError, match="no stage 'polish'"):
        DvcCache(workspace).unchanged("polish")


def test_the_cache_waits_for_another_user_of_dvc(workspace: Path) -> None:
    program = (
        "import sys, time\nfrom dvc.repo import Repo, lock_repo\n"
        "with Repo(sys.argv[1]) as repo, lock_repo(repo):\n"
        "    print('held', flush=True)\n    time.sleep(1.5)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, workspace], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        began = time.monotonic()

        assert DvcCache(workspace).unchanged("split")

    assert time.monotonic() - began > 1


def test_dvc_itself_agrees(workspace: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "--json"],
        cwd=workspace,
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout.strip() == '{"identity": ["always changed"]}'
