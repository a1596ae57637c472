"""What the tests of the report share: two releases with figures made up by hand, one accepted and one refused."""

import json
from pathlib import Path
from typing import Any

import pytest

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture
def release() -> dict[str, Any]:
    return dict(json.loads((FIXTURES / "release.json").read_text("utf-8")))


@pytest.fixture
def refused() -> dict[str, Any]:
    return dict(json.loads((FIXTURES / "refused.json").read_text("utf-8")))
