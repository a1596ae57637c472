"""The project's own sources as syntax trees: these tests read code and run almost none of it."""

import ast
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def sources() -> dict[str, ast.Module]:
    """Every module of pipeline/ and flows/, by its path from the root."""
    paths = sorted([*ROOT.glob("pipeline/**/*.py"), *ROOT.glob("flows/**/*.py")])
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in paths}


@pytest.fixture(scope="session")
def params() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))


@pytest.fixture(scope="session")
def project_files() -> list[Path]:
    """What git tracks or would track, binary files aside."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = [ROOT / name.decode() for name in listed.stdout.split(b"\0") if name]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:8000]]
