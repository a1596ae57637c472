"""`tonewatch keys`: create, list and revoke; the secret is shown once and stored nowhere."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pipeline.__main__ import run_command
from pipeline.io.security.api_keys import KeyStore

NOW = datetime.now(UTC)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change into a folder that is a workspace to the commands of keys, which need no git."""
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TONEWATCH_API_KEYS_FILE", raising=False)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run a command; return its exit code, stdout and stderr."""
    code = run_command(["keys", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_key_is_created_listed_and_revoked(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = run(
        capsys, "new", "--name", "shop", "--scope", "predict", "--scope", "feedback", "--days", "90"
    )
    secret = printed.splitlines()[0]
    key_id = secret.split("_")[1]
    gate = KeyStore(workspace / ".tonewatch" / "keys.json")
    assert code == 0
    assert gate.check(secret, "feedback", now=NOW).rejection == ""

    code, printed, _ = run(capsys, "list")
    assert code == 0
    assert key_id in printed
    assert "predict feedback" in printed
    assert secret.split("_", 2)[2] not in printed

    code, printed, _ = run(capsys, "revoke", key_id)
    assert code == 0
    assert printed.startswith(f"Revoked: {key_id} (shop)")
    assert gate.check(secret, "predict", now=NOW).rejection == "revoked"


def test_each_command_prints_one_json_document(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    created = json.loads(run(capsys, "new", "--name", "shop", "--scope", "admin", "--json")[1])
    (listed,) = json.loads(run(capsys, "list", "--json")[1])
    revoked = json.loads(run(capsys, "revoke", created["id"], "--json")[1])

    assert created["key"].startswith(f"tw_{created['id']}_")
    assert {**listed, "key": created["key"]} == created
    assert set(listed) == {"id", "name", "scopes", "created", "expires", "revoked"}
    assert (listed["expires"], listed["revoked"], bool(revoked["revoked"])) == ("", "", True)


def test_without_a_key_the_list_names_the_command(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed, _ = run(capsys, "list")

    assert code == 0
    assert "tonewatch keys new" in printed
    assert json.loads(run(capsys, "list", "--json")[1]) == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["new", "--name", "shop"], "--scope"),
        (["new", "--scope", "predict"], "--name"),
        (["new", "--name", "shop", "--scope", "root"], "predict, feedback, label, admin"),
        (["new", "--name", "shop", "--scope", "predict", "--days", "0"], "--days"),
        (["new", "--name", "shop", "--scope", "predict", "--days", "99999999"], "--days 90"),
        (["revoke", "nobody"], "tonewatch keys list"),
        (["revoke", "../../etc/passwd"], "tonewatch keys list"),
    ],
)
def test_wrong_use_is_code_2_and_leaves_no_file(
    workspace: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    code, _, message = run(capsys, *arguments)

    assert code == 2
    assert named in message
    assert not (workspace / ".tonewatch" / "keys.json").exists()


def test_a_damaged_file_is_code_3_a_readable_one_code_2(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "new", "--name", "shop", "--scope", "predict")
    path = workspace / ".tonewatch" / "keys.json"

    path.chmod(0o644)
    code, _, message = run(capsys, "list")
    assert (code, f"chmod 600 {path}" in message) == (2, True)

    path.chmod(0o600)
    path.write_text("{")
    code, _, message = run(capsys, "new", "--name", "shop", "--scope", "predict")
    assert (code, "move it away" in message) == (3, True)


def test_the_environment_can_name_another_file(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONEWATCH_API_KEYS_FILE", str(workspace / "elsewhere" / "keys.json"))

    assert run(capsys, "new", "--name", "shop", "--scope", "predict")[0] == 0
    assert (workspace / "elsewhere" / "keys.json").stat().st_mode & 0o777 == 0o600


def test_the_secret_is_in_no_file_and_no_log(
    workspace: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with capture_logs() as events:
        created = json.loads(
            run(capsys, "new", "--name", "shop", "--scope", "predict", "--json", "--debug")[1]
        )
        run(capsys, "list", "--debug")
        run(capsys, "revoke", created["id"], "--debug")
        KeyStore(workspace / ".tonewatch" / "keys.json").check(created["key"], "predict", now=NOW)
    secret = created["key"].split("_", 2)[2]

    assert secret not in str(events)
    assert secret not in caplog.text
    assert [
        path for path in workspace.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()
    ] == []
