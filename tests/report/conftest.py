"""Two releases with made-up metrics, stored in the first version of the record: one accepted, one refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.documents import upgrade_release

FIXTURES = Path(__file__).parents[1] / "fixtures"


def load_release(name: str) -> Any:
    return upgrade_release(json.loads((FIXTURES / f"{name}.json").read_text("utf-8")))


@pytest.fixture
def release() -> Any:
    return load_release("release")


@pytest.fixture
def refused() -> Any:
    return load_release("refused")
