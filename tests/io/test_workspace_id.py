"""A workspace has an id that outlives a move and that no copy shares."""

import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.base.config import Workspace
from pipeline.base.errors import Fault
from pipeline.io import workspace_id
from pipeline.io.workspace_id import FILE, name_model, own_id_command, workspace_identity
from pipeline.operations.consistency import check_place


def at(root: Path) -> Workspace:
    root.mkdir(exist_ok=True)
    return Workspace.of(root, {})


def test_the_id_is_made_once_by_whoever_asks_first(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = {one.id for one in pool.map(workspace_identity, [at(tmp_path)] * 16)}

    assert len(ids) == 1
    assert workspace_identity(at(tmp_path)).id in ids


def test_a_moved_workspace_keeps_its_id_and_its_model(tmp_path: Path) -> None:
    before = workspace_identity(at(tmp_path / "Süß & 50%"))
    name_model(at(tmp_path / "Süß & 50%"), before.own_model)
    (tmp_path / "Süß & 50%").rename(tmp_path / "later")

    after = workspace_identity(at(tmp_path / "later"))
    assert (after.id, after.model, after.former) == (before.id, f"tonewatch-s-50-{before.id[:6]}", ())
    assert after.root == str(tmp_path / "later")


def test_a_copy_gets_an_id_of_its_own_and_knows_the_original(tmp_path: Path) -> None:
    original = workspace_identity(at(tmp_path / "original"))
    name_model(at(tmp_path / "original"), original.own_model)
    shutil.copytree(tmp_path / "original", tmp_path / "copy")

    copy = workspace_identity(at(tmp_path / "copy"))
    assert copy.id != original.id
    assert (copy.former, copy.model) == ((original.id,), None)
    assert copy.made(original.id)
    assert not workspace_identity(at(tmp_path / "original")).made(copy.id)
    assert workspace_identity(at(tmp_path / "copy")) == copy


def test_a_link_to_a_workspace_is_the_workspace(tmp_path: Path) -> None:
    identity = workspace_identity(at(tmp_path / "real"))
    (tmp_path / "link").symlink_to(tmp_path / "real")

    assert workspace_identity(Workspace.of(tmp_path / "link", {})) == identity


def test_the_name_of_a_model_never_changes(tmp_path: Path) -> None:
    assert name_model(at(tmp_path), "tonewatch-a") == "tonewatch-a"
    assert name_model(at(tmp_path), "tonewatch-b") == "tonewatch-a"


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    workspace_identity(at(tmp_path))
    (tmp_path / ".tonewatch" / FILE).write_text("{")

    with pytest.raises(Fault, match=r"workspace\.json is damaged.*restore it"):
        workspace_identity(at(tmp_path))


def rewrite(workspace: Path, **fields: object) -> dict[str, object]:
    """Change what the file of a workspace recorded, as if it had been written elsewhere."""
    path = workspace / ".tonewatch" / FILE
    document = json.loads(path.read_text("utf-8")) | fields
    path.write_text(json.dumps(document), "utf-8")
    return dict(document)


ELSEWHERE = {"host": "elsewhere", "machine": "f" * 16, "folder": 1}
GONE = {"root": "/srv/that/is/not/here"}


@pytest.mark.surrounding("S1")
@pytest.mark.parametrize(
    ("recorded", "is_copy"),
    [
        (ELSEWHERE | GONE, True),  # copied to another machine, to another place
        (ELSEWHERE, False),  # to the same place, or on a disk that was moved
        (ELSEWHERE | GONE | {"folder": None}, False),  # a disk that is mounted elsewhere
        (ELSEWHERE | GONE | {"machine": ""}, True),  # by an earlier version, or in a container
        (GONE, False),  # moved here on this machine
        (GONE | {"folder": 1}, False),  # from another disk of it
        (GONE | {"host": "elsewhere"}, False),  # and renamed the host
        ({"host": "elsewhere", "machine": ""}, False),  # a container that was started again
        ({"machine": "", "folder": 0}, False),  # as an earlier version wrote it
    ],
)
def test_a_workspace_from_another_machine_is_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorded: dict[str, object], is_copy: bool
) -> None:
    machine_id = tmp_path / "machine-id"
    machine_id.write_text("0123456789abcdef0123456789abcdef\n")
    monkeypatch.setattr(workspace_id, "MACHINE_ID", machine_id)
    before = workspace_identity(at(tmp_path / "copy"))
    if recorded.get("folder", 0) is None:
        recorded = {**recorded, "folder": before.folder}
    written = rewrite(tmp_path / "copy", **recorded)

    after = workspace_identity(at(tmp_path / "copy"))

    assert (after.id != before.id) == is_copy
    assert after.former == ((before.id,) if is_copy else ())
    assert after.copied_from == (f"{written['host']}:{written['root']}" if is_copy else "")
    assert (after.root, after.machine) == (before.root, before.machine)
    assert workspace_identity(at(tmp_path / "copy")) == after
    message = check_place(at(tmp_path / "copy")).message
    elsewhere = is_copy or written["machine"] == "f" * 16
    assert (f"from elsewhere:{written['root']}" in message) == elsewhere
    assert ("If that one is still in use" in message) == (elsewhere and not is_copy)


def test_the_command_for_an_unnoticed_copy_gives_it_an_id_of_its_own(tmp_path: Path) -> None:
    before = workspace_identity(at(tmp_path))
    rewrite(tmp_path, **ELSEWHERE)
    workspace_identity(at(tmp_path))

    subprocess.run(own_id_command(at(tmp_path)), shell=True, check=True)
    after = workspace_identity(at(tmp_path))

    assert (after.former, after.copied_from) == ((before.id,), f"elsewhere:{tmp_path}")
    assert after.made(before.id)
    assert workspace_identity(at(tmp_path)) == after


@pytest.mark.parametrize("content", ["", "uninitialized\n", None])
def test_without_a_machine_id_the_host_alone_makes_no_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    monkeypatch.setattr(workspace_id, "MACHINE_ID", tmp_path / "machine-id")
    if content is not None:
        (tmp_path / "machine-id").write_text(content)
    before = workspace_identity(at(tmp_path / "one"))
    rewrite(tmp_path / "one", host="another-container")

    assert (before.machine, workspace_identity(at(tmp_path / "one")).id) == ("", before.id)
