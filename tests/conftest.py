"""What every test shares: nothing reports home, the longest files begin first, and what a program of Debian's is needed for says so."""

import os
import shutil
from pathlib import Path

import pytest

from pipeline.base.config.environment import TELEMETRY_OFF

pytest_plugins = ["store_fixtures", "model_fixtures"]

# Before any library is imported: some read their switch only then.
os.environ.update(TELEMETRY_OFF)
# Tiny models: a second thread costs more than it gives, and two test workers have a core each.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the whole line first: two workers that take file after file then end together."""
    whole = Path(__file__).parent / "e2e"
    items.sort(key=lambda item: whole not in item.path.parents)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a program that is not here, with what to type; in CI a missing one is a failure."""
    for mark in item.iter_markers("needs"):
        for program in mark.args:
            if shutil.which(program) is None:
                told = f"{program} is not here. Type: apt-get install {program}"
                if os.environ.get("CI") == "true":
                    pytest.fail(told, pytrace=False)
                pytest.skip(told)


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root of the checkout."""
    return Path(__file__).resolve().parents[1]
