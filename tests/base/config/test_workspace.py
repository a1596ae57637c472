"""A place is the same wherever a command is typed."""

from pathlib import Path

import pytest

from pipeline.base.config import Workspace
from pipeline.base.errors import UsageError

LEDGERS = {
    "sqlite:///ledger.db": "sqlite:////w/ledger.db",
    "sqlite:///stores/ledger.db": "sqlite:////w/stores/ledger.db",
    "sqlite+pysqlite:///ledger.db?timeout=5": "sqlite+pysqlite:////w/ledger.db?timeout=5",
    "sqlite:///file:ledger.db?uri=true": "sqlite:///file:/w/ledger.db?uri=true",
    "sqlite:////srv/ledger.db": "sqlite:////srv/ledger.db",
    "sqlite:///../ledger.db": "sqlite:////w/../ledger.db",
    "postgresql://ada@db/tonewatch": "postgresql://ada@db/tonewatch",
}
REGISTRIES = {
    "sqlite:///mlflow.db": "sqlite:////w/mlflow.db",
    "mlruns": "/w/mlruns",
    "./mlruns": "/w/mlruns",
    "file:mlruns": "/w/mlruns",
    "/srv/mlruns": "/srv/mlruns",
    "file:///srv/mlruns": "file:///srv/mlruns",
    "http://mlflow:5000": "http://mlflow:5000",
    "databricks": "databricks",
    "databricks://prod": "databricks://prod",
}
FILES = {
    "keys.json": Path("/w/keys.json"),
    "./conf/keys.json": Path("/w/conf/keys.json"),
    "/etc/keys.json": Path("/etc/keys.json"),
    "~/keys.json": Path.home() / "keys.json",
}


@pytest.fixture(params=["typed in the root", "typed elsewhere"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path if request.param == "typed elsewhere" else "/")
    return Path("/w")


@pytest.mark.parametrize(("written", "expected"), LEDGERS.items())
def test_the_ledger_is_taken_from_the_root(root: Path, written: str, expected: str) -> None:
    assert Workspace.of(root, {"TONEWATCH_LEDGER": written}).ledger == expected


@pytest.mark.parametrize(("written", "expected"), REGISTRIES.items())
def test_mlflow_is_taken_from_the_root(root: Path, written: str, expected: str) -> None:
    assert Workspace.of(root, {"MLFLOW_TRACKING_URI": written}).mlflow == expected


@pytest.mark.parametrize(("written", "expected"), FILES.items())
def test_a_file_is_taken_from_the_root(root: Path, written: str, expected: Path) -> None:
    names = ("TONEWATCH_API_KEYS_FILE", "TONEWATCH_SIGNING_KEY", "TONEWATCH_VERIFY_KEY")
    workspace = Workspace.of(root, dict.fromkeys(names, written))

    assert {workspace.keys_file, workspace.signing_key, workspace.verify_key} == {expected}


def test_a_relative_root_is_taken_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert Workspace.of(Path("w"), {}).ledger == f"sqlite:///{tmp_path}/w/.tonewatch/ledger.db"


def test_only_the_mlflow_of_the_workspace_itself_is_embedded(tmp_path: Path) -> None:
    own = f"sqlite:///{tmp_path}/.tonewatch/mlflow.db"

    for address, embedded in (("", True), (own, True), ("sqlite:///mlflow.db", False), ("http://m", False)):
        assert Workspace.of(tmp_path, {"MLFLOW_TRACKING_URI": address}).mlflow_embedded is embedded


def test_a_path_that_no_address_can_hold_is_refused() -> None:
    with pytest.raises(UsageError, match=r"/w/a\?b contains a question mark.*Rename"):
        Workspace.of(Path("/w/a?b"), {})
