"""What several edge tests share."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.registry.models import Models


@pytest.fixture(scope="session")
def _migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make one empty MLflow database: its migrations take seconds, copying it takes none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setenv("DO_NOT_TRACK", "true")
        patch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
        path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
        assert Models(f"sqlite:///{path}").aliases() == {}
        yield path


@pytest.fixture
def mlflow_uri(_migrated: Path, tmp_path: Path) -> str:
    """Give the address of an empty MLflow of this test's own."""
    home = tmp_path / ".tonewatch"
    home.mkdir()
    shutil.copyfile(_migrated, home / "mlflow.db")
    return f"sqlite:///{home}/mlflow.db"
