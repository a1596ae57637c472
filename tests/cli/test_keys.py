"""`tonewatch keys`: made, listed and revoked by hand; the secret is seen once and nowhere else."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pipeline.__main__ import _code
from pipeline.io.security.api_keys import KeyStore

NOW = datetime.now(UTC)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder that is a workspace to the commands of keys, which need no git."""
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TONEWATCH_API_KEYS_FILE", raising=False)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Give the code of a command, what it printed and what it told."""
    code = _code(["keys", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_key_is_made_shown_once_listed_and_revoked(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed, _ = said(
        capsys, "new", "--name", "shop", "--scope", "predict", "--scope", "feedback", "--days", "90"
    )
    told = printed.splitlines()[0]
    number = told.split("_")[1]
    gate = KeyStore(workspace / ".tonewatch" / "keys.json")
    assert code == 0
    assert gate.check(told, "feedback", now=NOW).refused == ""

    code, printed, _ = said(capsys, "list")
    assert code == 0
    assert number in printed
    assert "predict feedback" in printed
    assert told.split("_", 2)[2] not in printed

    code, printed, _ = said(capsys, "revoke", number)
    assert code == 0
    assert printed.startswith(f"Revoked: {number} (shop)")
    assert gate.check(told, "predict", now=NOW).refused == "revoked"


def test_each_command_gives_one_json_document(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = json.loads(said(capsys, "new", "--name", "shop", "--scope", "admin", "--json")[1])
    (listed,) = json.loads(said(capsys, "list", "--json")[1])
    revoked = json.loads(said(capsys, "revoke", made["id"], "--json")[1])

    assert made["key"].startswith(f"tw_{made['id']}_")
    assert {**listed, "key": made["key"]} == made
    assert set(listed) == {"id", "name", "scopes", "created", "expires", "revoked"}
    assert (listed["expires"], listed["revoked"], bool(revoked["revoked"])) == ("", "", True)


def test_without_a_key_the_list_says_how_to_make_one(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed, _ = said(capsys, "list")

    assert code == 0
    assert "tonewatch keys new" in printed
    assert json.loads(said(capsys, "list", "--json")[1]) == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["new", "--name", "shop"], "--scope"),
        (["new", "--scope", "predict"], "--name"),
        (["new", "--name", "shop", "--scope", "root"], "predict, feedback, admin"),
        (["new", "--name", "shop", "--scope", "predict", "--days", "0"], "--days"),
        (["new", "--name", "shop", "--scope", "predict", "--days", "99999999"], "--days 90"),
        (["revoke", "nobody"], "tonewatch keys list"),
        (["revoke", "../../etc/passwd"], "tonewatch keys list"),
    ],
)
def test_wrong_use_is_code_2_says_what_to_type_and_leaves_no_file(
    workspace: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    code, _, told = said(capsys, *arguments)

    assert code == 2
    assert named in told
    assert not (workspace / ".tonewatch" / "keys.json").exists()


def test_a_damaged_file_is_code_3_and_one_open_to_others_code_2(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "new", "--name", "shop", "--scope", "predict")
    path = workspace / ".tonewatch" / "keys.json"

    path.chmod(0o644)
    code, _, told = said(capsys, "list")
    assert (code, f"chmod 600 {path}" in told) == (2, True)

    path.chmod(0o600)
    path.write_text("{")
    code, _, told = said(capsys, "new", "--name", "shop", "--scope", "predict")
    assert (code, "move it aside" in told) == (3, True)


def test_the_environment_names_another_file(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONEWATCH_API_KEYS_FILE", str(workspace / "elsewhere" / "keys.json"))

    assert said(capsys, "new", "--name", "shop", "--scope", "predict")[0] == 0
    assert (workspace / "elsewhere" / "keys.json").stat().st_mode & 0o777 == 0o600


def test_the_secret_stands_in_no_file_and_no_log(
    workspace: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with capture_logs() as events:
        made = json.loads(said(capsys, "new", "--name", "shop", "--scope", "predict", "--json", "--debug")[1])
        said(capsys, "list", "--debug")
        said(capsys, "revoke", made["id"], "--debug")
        KeyStore(workspace / ".tonewatch" / "keys.json").check(made["key"], "predict", now=NOW)
    secret = made["key"].split("_", 2)[2]

    assert secret not in str(events)
    assert secret not in caplog.text
    assert [
        path for path in workspace.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()
    ] == []
