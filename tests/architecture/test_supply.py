"""What is installed: wheels of the lock only, nothing with a known weakness, all in the bill of materials."""

import base64
import hashlib
import importlib.util
import json
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.version import Version

LOCKS = ("lock.txt", "torch.txt", "torch-cpu.txt", "uv.txt")


@pytest.fixture(scope="module")
def locked(root: Path) -> dict[str, str]:
    """Return the version of each locked package; of the two builds of torch the lower one."""
    packages = [line.split()[0].split("==") for lock in LOCKS for line in _entries(root / "infra" / lock)]
    return {name: version.partition("+")[0] for name, version in packages}


@pytest.fixture(scope="module")
def advisories(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "infra" / "advisories.toml").read_text("utf-8"))


def test_nothing_in_the_lock_has_a_known_weakness(locked: dict[str, str], advisories: dict[str, Any]) -> None:
    assert len(advisories["floor"]) >= 30
    assert weaknesses(locked, advisories) == []


def test_every_advisory_concerns_a_locked_package_and_names_its_source(
    locked: dict[str, str], advisories: dict[str, Any]
) -> None:
    floors, forbidden = advisories["floor"], advisories["forbidden"]

    assert [one["package"] for one in floors if one["package"] not in locked] == []
    assert [one for one in floors if not re.fullmatch(r"(CVE|GHSA|PYSEC)-[\w-]+", one["id"])] == []
    assert [one for one in (*floors, *forbidden) if not one["why"]] == []
    assert len({one["package"] for one in floors}) == len(floors)


@pytest.mark.parametrize(
    ("packages", "sentence"),
    [
        (
            {"urllib3": "2.6.3"},
            "urllib3 2.6.3 is below 2.7.0 (CVE-1: leaks). "
            "Type: make lock LOCK_ARGS='--upgrade-package urllib3'",
        ),
        ({"urllib3": "2.7.0"}, None),
        ({"urllib3": "2.10.0"}, None),
        (
            {"bad": "1.0"},
            "bad 1.0 is forbidden (GHSA-1: steals). Remove what asks for it from pyproject.toml",
        ),
        ({"bad": "1.1"}, None),
        ({"squat": "9"}, "squat 9 is forbidden (x: squats). Remove what asks for it from pyproject.toml"),
    ],
)
def test_a_weakness_is_reported_with_what_to_type(packages: dict[str, str], sentence: str | None) -> None:
    advisories = {
        "floor": [{"package": "urllib3", "safe": "2.7.0", "id": "CVE-1", "why": "leaks"}],
        "forbidden": [
            {"package": "bad", "versions": ["1.0"], "id": "GHSA-1", "why": "steals"},
            {"package": "squat", "id": "x", "why": "squats"},
        ],
    }

    assert weaknesses(packages, advisories) == ([sentence] if sentence else [])


def test_what_is_left_out_is_not_locked_and_gives_its_reason(root: Path, locked: dict[str, str]) -> None:
    lines = (root / "infra" / "excludes.txt").read_text("utf-8").splitlines()
    excluded = [line.partition("#") for line in lines if not line.startswith("#")]

    assert [name for name, _, reason in excluded if len(reason.split()) < 4] == []
    assert [name for name, _, _ in excluded if name.strip() in locked] == []


def test_dvc_imports_what_is_left_out_only_where_it_sets_params() -> None:
    # Were it imported elsewhere, a command of DVC would fail in an installed environment.
    found = importlib.util.find_spec("dvc")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    imports = re.compile(r"^( *)(?:from|import) (?:hydra|omegaconf|antlr4)\b", re.MULTILINE)

    places = {path.name: imports.findall(path.read_text("utf-8")) for path in package.rglob("*.py")}

    assert {name for name, indents in places.items() if indents} == {"hydra.py"}
    assert "" not in places["hydra.py"]


def test_the_build_of_the_project_takes_the_locked_backend(root: Path, locked: dict[str, str]) -> None:
    build = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["build-system"]

    assert build["requires"] == [f"hatchling=={locked['hatchling']}"]


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_the_install_runs_no_setup_of_a_source_distribution(
    root: Path, tmp_path: Path, installer: str
) -> None:
    """Offer one package as source and as wheel, both with their hashes in the lock."""
    uv = Path(sys.executable).parent / "uv"
    if installer == "uv" and not uv.exists():
        pytest.skip("uv is missing: type `make` for an environment with it")
    canary = tmp_path / "canary"
    source = _source_distribution(tmp_path, canary)
    wheel = _wheel(tmp_path)
    venv.create(tmp_path / "venv", with_pip=installer == "pip")
    python = tmp_path / "venv" / "bin" / "python"
    programs = {"pip": [python, "-m", "pip", "install"], "uv": [uv, "pip", "install", "--python", python]}
    offer = ["--no-index", "--find-links", tmp_path, "--no-deps", *_script(root, "install").WHEELS]

    for name, archive, code in (("from-source", source, 1), ("from-wheel", wheel, 0)):
        lock = tmp_path / f"{name}.txt"
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        lock.write_text(f"{name}==1.0 --hash=sha256:{digest}\n")
        command = [str(word) for word in (*programs[installer], *offer, "-r", lock)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert min(ended.returncode, 1) == code, ended.stderr
    assert not canary.exists()


@pytest.fixture(scope="module")
def bill(root: Path) -> dict[str, Any]:
    return json.loads((root / "infra" / "sbom.json").read_text("utf-8"))


def test_the_bill_of_materials_is_that_of_the_lock(root: Path, bill: dict[str, Any]) -> None:
    expected = _script(root, "sbom").list_components(root)

    # Licences come from what is installed, which differs between platforms.
    assert [_without_licences(one) for one in bill["components"]] == [
        _without_licences(one) for one in expected
    ], "infra/sbom.json does not agree with the lock. Type: make sbom"


def test_the_bill_of_materials_is_cyclonedx(root: Path, bill: dict[str, Any]) -> None:
    components = bill["components"]
    hashes = sum(len(reference["hashes"]) for one in components for reference in one["externalReferences"])
    lines = "".join((root / "infra" / lock).read_text("utf-8") for lock in LOCKS)

    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", bill["serialNumber"])
    assert hashes == lines.count("--hash=sha256:")
    assert len({one["bom-ref"] for one in components}) == len(components)
    assert sum("licenses" in one for one in components) > 0.8 * len(components)
    assert (root / "infra" / "sbom.json").stat().st_size < 1_000_000


def weaknesses(packages: Mapping[str, str], advisories: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each package with a known weakness, with what to type."""
    sentences = [
        f"{name} {packages[name]} is below {one['safe']} ({one['id']}: {one['why']}). "
        f"Type: make lock LOCK_ARGS='--upgrade-package {name}'"
        for one in advisories["floor"]
        if (name := one["package"]) in packages and Version(packages[name]) < Version(one["safe"])
    ]
    return sentences + [
        f"{name} {packages[name]} is forbidden ({one['id']}: {one['why']}). "
        "Remove what asks for it from pyproject.toml"
        for one in advisories["forbidden"]
        if (name := one["package"]) in packages and packages[name] in one.get("versions", [packages[name]])
    ]


def _without_licences(component: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in component.items() if key != "licenses"}


def _entries(lock: Path) -> list[str]:
    return [line for line in lock.read_text("utf-8").splitlines() if re.match(r"[a-z0-9]", line)]


def _source_distribution(folder: Path, canary: Path) -> Path:
    project = folder / "from_source-1.0"
    project.mkdir()
    (project / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: from-source\nVersion: 1.0\n")
    (project / "setup.py").write_text(f"open({str(canary)!r}, 'w')\nimport setuptools\nsetuptools.setup()\n")
    archive = folder / "from_source-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(project, project.name)
    return archive


def _wheel(folder: Path) -> Path:
    """Write a wheel of one module."""
    files = {
        "from_wheel.py": b"",
        "from_wheel-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: from-wheel\nVersion: 1.0\n",
        "from_wheel-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {
        name: base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        for name, content in files.items()
    }
    record = "".join(f"{name},sha256={digests[name]},{len(files[name])}\n" for name in files)
    files["from_wheel-1.0.dist-info/RECORD"] = (record + "from_wheel-1.0.dist-info/RECORD,,\n").encode()
    with zipfile.ZipFile(folder / "from_wheel-1.0-py3-none-any.whl", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return folder / "from_wheel-1.0-py3-none-any.whl"


def _script(root: Path, name: str) -> ModuleType:
    sys.path.insert(0, str(root / "infra"))
    try:
        return __import__(name)
    finally:
        sys.path.remove(str(root / "infra"))
