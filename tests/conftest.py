"""What every test shares: no telemetry, the longest files first, and marks for programs of Debian."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.base.config.environment import TELEMETRY_OFF

pytest_plugins = ["store_fixtures", "model_fixtures", "objective_fixtures", "browser_fixtures", "suites"]

# Before any library is imported: some read the variable only then.
os.environ.update(TELEMETRY_OFF)
# With tiny models a second thread costs more than it gains, and two test workers have a core each.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes the stored figures of a test anew."""
    parser.addoption("--regen", action="store_true", help="write the stored figures of golden tests anew")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Undo what a command that runs in this process sets for its own process: variables and the umask."""
    environment, umask = dict(os.environ), os.umask(0o022)
    yield
    os.umask(umask)
    os.environ.clear()
    os.environ.update(environment)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the end-to-end tests first, so that two workers that take file after file end together."""
    e2e = Path(__file__).parent / "e2e"
    items.sort(key=lambda item: e2e not in item.path.parents)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose program is missing, with what to type; in CI it fails."""
    for mark in item.iter_markers("needs"):
        for program in mark.args:
            if shutil.which(program) is None:
                message = f"{program} is missing. Type: apt-get install {program}"
                if os.environ.get("CI") == "true":
                    pytest.fail(message, pytrace=False)
                pytest.skip(message)


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root of the checkout."""
    return Path(__file__).resolve().parents[1]
