"""Private files: for their owner alone, or for the group with which the folder is shared."""

import json
import os
import stat
import tempfile
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from journal_fixtures import EIGHT, make_entries, make_feedback

from pipeline.base.config import Workspace
from pipeline.base.errors import Fault, UsageError
from pipeline.base.private_files import keep_private
from pipeline.io import files
from pipeline.io.file_access import exposure, is_shared
from pipeline.io.journal.digest_key import read_digest_key
from pipeline.io.journal.journal import Journal
from pipeline.io.security import api_keys
from pipeline.io.security.secret_files import read_or_make_secret
from pipeline.io.security.sessions import SessionStore
from pipeline.operations import schedule

ADA, BOB, TEAM = 61_001, 61_002, 61_000
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two other users")


def as_user(user: int, work: Callable[[], Any], *groups: int) -> Any:
    """Do some work in a fork, as a user whose first group is their own; return the result or the error."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups(groups)
            os.setgid(user)
            os.setuid(user)
            os.umask(0o022)
            result = work()
        except BaseException as error:
            result = f"{type(error).__name__}: {error}"
            if not isinstance(error, (Fault, UsageError)):
                result += traceback.format_exc()
        os.write(writing, json.dumps(result).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        return json.loads(pipe.read())


def use(workspace: Workspace) -> str:
    """Use everything private that `run` and `serve` use, and return the secrets."""
    keep_private(workspace)
    workspace.home.mkdir(exist_ok=True)
    secrets = [read_or_make_secret(workspace.home / "prefect" / "password")]
    secrets.append(read_or_make_secret(workspace.ray_token))
    secrets.append(read_digest_key(workspace.journal_key).hex())
    now = datetime.now(UTC)
    _, key = api_keys.create_key(workspace.keys, name="a", scopes=["predict"], days=None, now=now)
    sessions = SessionStore(workspace.home / "sessions", workspace.keys, minutes=30)
    assert sessions.find(str(sessions.open(key, now=now)), now=now)
    journal, entries = Journal(workspace.journal, retention_days=9), make_entries(1)
    journal.append(entries)
    journal.append_feedback([make_feedback(entries[0], "neutral")])
    journal.retain(EIGHT)
    journal.close()
    assert len(list(Journal.reading(workspace.journal).labels())) >= 1
    with schedule.single_schedule(workspace):
        pass
    return " ".join(secrets)


def private_files(root: Path) -> dict[str, tuple[str, int]]:
    return {
        path.relative_to(root).as_posix(): (f"{stat.S_IMODE(path.stat().st_mode):o}", path.stat().st_gid)
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module", autouse=True)
def _imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Import what is imported late: other users may not read Python's own files."""
    before = os.umask(0o022)
    use(Workspace.of(tmp_path_factory.mktemp("imported"), {}))
    os.umask(before)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder of Ada's that other users can reach."""
    # Below the folder of temporary files: how many levels those are is up to pytest and its workers.
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to(tempfile.gettempdir()) and folder != Path(tempfile.gettempdir()):
            folder.chmod(folder.stat().st_mode | 0o011)
    root = tmp_path / "mood"
    root.mkdir()
    os.chown(root, ADA, ADA)
    return root


@NEEDS_ROOT
@pytest.mark.surrounding("S1")
@pytest.mark.parametrize("set_group", [0, stat.S_ISGID])
def test_every_member_of_the_group_can_use_a_shared_workspace(root: Path, set_group: int) -> None:
    os.chown(root, ADA, TEAM)
    root.chmod(0o770 | set_group)
    workspace = Workspace.of(root, {})

    first = as_user(ADA, lambda: use(workspace), TEAM)
    second = as_user(BOB, lambda: use(workspace), TEAM)
    third = as_user(ADA, lambda: use(workspace), TEAM)

    assert first == second == third
    assert len(first.split()) == 3
    modes = private_files(root)
    assert all(int(mode, 8) & 0o007 == 0 for mode, _ in modes.values()), modes
    for name in (".tonewatch/prefect/password", ".tonewatch/ray/token", ".tonewatch/keys.json"):
        assert modes[name] == ("660", TEAM)


@NEEDS_ROOT
@pytest.mark.surrounding("S1")
def test_the_error_about_a_closed_secret_names_its_owner_and_what_to_type(root: Path) -> None:
    root.chmod(0o755)
    workspace = Workspace.of(root, {})
    password = workspace.home / "prefect" / "password"
    as_user(ADA, lambda: use(workspace))
    for folder in (workspace.home, password.parent):
        folder.chmod(0o711)  # or nobody could tell whose files these are

    errors = [
        as_user(BOB, work, TEAM)
        for work in (
            lambda: read_or_make_secret(password),
            lambda: read_digest_key(workspace.journal_key).hex(),
            lambda: len(api_keys.list_keys(workspace.keys)),
        )
    ]

    for error in errors:
        assert error.startswith("Fault: ")
        assert f"belongs to user {ADA}" in error
        assert f"`chgrp -R GROUP {root} && chmod -R g+rwX,o-rwx {root}`" in error
        assert "Traceback" not in error


@NEEDS_ROOT
def test_what_an_earlier_version_kept_for_its_owner_is_shared_by_the_owners_next_run(root: Path) -> None:
    workspace = Workspace.of(root, {})
    os.chown(root, ADA, TEAM)
    root.chmod(0o2770)
    before = as_user(ADA, lambda: use(workspace), TEAM)
    journal = [workspace.journal, *workspace.journal.rglob("*")]
    for path in (workspace.ray_token, workspace.keys, workspace.journal_key, *journal):
        path.chmod(0o700 if path.is_dir() else 0o600)

    assert "belongs to" in as_user(BOB, lambda: use(workspace), TEAM)
    assert as_user(ADA, lambda: use(workspace), TEAM) == before
    assert as_user(BOB, lambda: use(workspace), TEAM) == before


@pytest.mark.parametrize(
    ("folder", "mode", "group", "exposed"),
    [
        (0o700, 0o600, 0, False),
        (0o700, 0o640, 0, True),
        (0o755, 0o604, 0, True),
        (0o750, 0o660, 0, True),
        (0o770, 0o660, 0, False),
        (0o770, 0o600, 0, False),
        (0o770, 0o664, 0, True),
        (0o777, 0o660, 0, True),
        (0o1777, 0o660, 0, True),
        pytest.param(0o770, 0o660, TEAM, True, marks=NEEDS_ROOT),
    ],
)
def test_a_private_file_is_of_its_owner_or_of_the_group_of_its_folder(
    tmp_path: Path, folder: int, mode: int, group: int, exposed: bool
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    path = place / "password"
    path.write_text("a secret\n")
    if group:
        os.chown(path, -1, group)
    path.chmod(mode)
    place.chmod(folder)

    message, action = exposure(path)

    assert (bool(message), bool(action)) == (exposed, exposed)
    if exposed:
        with pytest.raises(Fault, match="can be read by others"):
            read_or_make_secret(path)
        with pytest.raises(UsageError, match="can be read by others"):
            api_keys.list_keys(path)
    else:
        assert read_or_make_secret(path) == "a secret"


@pytest.mark.parametrize(("folder", "mode"), [(0o755, "600"), (0o770, "660"), (0o777, "600")])
def test_a_private_file_has_the_access_of_its_folder_from_the_start(
    tmp_path: Path, folder: int, mode: str
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    place.chmod(folder)

    files.write_bytes(place / "one", b"1", private=True)
    read_or_make_secret(place / "two")

    assert {f"{stat.S_IMODE(path.stat().st_mode):o}" for path in place.iterdir()} == {mode}
    assert is_shared(place) == (mode == "660")
