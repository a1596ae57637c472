"""What every test shares: nothing reports home, and the longest files begin first."""

import os
from pathlib import Path

import pytest

from pipeline.config.quiet import REPORTING_OFF

# Before any library is imported: some read their switch only then.
os.environ.update(REPORTING_OFF)
# Tiny models: a second thread costs more than it gives, and two test workers have a core each.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the whole line first: two workers that take file after file then end together."""
    whole = Path(__file__).parent / "whole"
    items.sort(key=lambda item: whole not in item.path.parents)
