"""Workspaces with releases in service. Each row of releases is made once, and copied."""

import functools
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from world import build, serve

from pipeline.base.config import Workspace

Released = Callable[..., Path]


@pytest.fixture(scope="session")
def _released(migrated_mlflow: Path, tmp_path_factory: pytest.TempPathFactory) -> Released:
    """Return a function that makes one workspace in which candidates were promoted one after another.

    Each number says which n-th text its candidate is wrong on.
    """

    @functools.cache
    def _made(*wrong: int) -> Path:
        root = tmp_path_factory.mktemp("released")
        places = _workspace(root)
        places.home.mkdir()
        shutil.copyfile(migrated_mlflow, places.home / "mlflow.db")
        build(root, places.mlflow)
        for number in wrong:
            serve(places, wrong=number)
        return root

    return _made


def _workspace(root: Path) -> Workspace:
    home = f"sqlite:///{root}/.tonewatch"
    return Workspace(root, f"{home}/mlflow.db", f"{home}/ledger.db")


@pytest.fixture
def places(request: pytest.FixtureRequest, _released: Released, tmp_path: Path) -> Workspace:
    """Return a workspace, with the releases of the mark `served`."""
    mark = request.node.get_closest_marker("served")
    template = _released(*(mark.args if mark else ()))
    return _workspace(Path(shutil.copytree(template, tmp_path / "workspace", symlinks=True)))
