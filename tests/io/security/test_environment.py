"""Files that run at each start of Python are named unless a required package lists them."""

import base64
import hashlib
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.io.security.environment import required_packages, unknown_startup_code, unknown_startup_files


def digest(content: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()


def put(
    folder: Path, name: str, content: str, *, owner: str | None = None, recorded: str | None = None
) -> Path:
    """Write a file, and list it in the RECORD of a package with the digest of what is recorded."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, "utf-8")
    if owner is not None:
        info = folder / f"{owner.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {owner}\nVersion: 1.0\n")
        (info / "RECORD").write_text(f"{name},sha256={digest(recorded or content)},9\n")
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("evil.pth", "import os; os.system('x')\n"),
        ("evil.pth", "import\tos\n"),
        ("evil.pth", "/some/folder\n\nimport os\n"),
        ("evil.pth", "\ufeffimport os\n"),
        ("évil\u202e.pth", "import os\n"),
        (".hidden.pth", "import os\n"),
        ("evil.pth", "import _virtualenv\nimport os\n"),
        ("evil.pth", "import _virtualenv; import os\n"),
        ("sitecustomize.py", "import os\n"),
        ("usercustomize/__init__.py", ""),
    ],
)
def test_code_that_nobody_lists_is_named(name: str, content: str, tmp_path: Path) -> None:
    path = put(tmp_path, name, content)

    assert unknown_startup_files(tmp_path, {"setuptools"}) == [path]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("paths.pth", "/some/folder\n# import os\n imported\nimportant\n"),
        ("paths.pth", " import os\n"),
        ("_virtualenv.pth", "import _virtualenv"),
        ("evil.pth.txt", "import os\n"),
        ("package/evil.pth", "import os\n"),
    ],
)
def test_what_runs_no_code_is_not_named(name: str, content: str, tmp_path: Path) -> None:
    put(tmp_path, name, content)

    assert unknown_startup_files(tmp_path, {"setuptools"}) == []


@pytest.mark.parametrize(
    ("owner", "recorded", "known"),
    [
        ("setuptools", None, True),
        ("Setup_Tools", None, False),
        ("litellm", None, False),
        ("setuptools", "import other", False),
    ],
)
def test_a_required_package_vouches_for_the_bytes_that_it_lists(
    owner: str, recorded: str | None, known: bool, tmp_path: Path
) -> None:
    path = put(tmp_path, "some.pth", "import os", owner=owner, recorded=recorded)

    assert unknown_startup_files(tmp_path, {"setuptools"}) == ([] if known else [path])


def test_python_runs_what_is_named(tmp_path: Path) -> None:
    put(tmp_path, "evil.pth", f"import pathlib; pathlib.Path({str(tmp_path / 'canary')!r}).touch()\n")
    put(tmp_path, "spaced.pth", f" import pathlib; pathlib.Path({str(tmp_path / 'second')!r}).touch()\n")

    subprocess.run([sys.executable, "-c", f"import site; site.addsitedir({str(tmp_path)!r})"], check=True)

    assert [path.name for path in unknown_startup_files(tmp_path, set())] == ["evil.pth"]
    assert (tmp_path / "canary").exists()
    assert not (tmp_path / "second").exists()


def test_the_environment_of_these_tests_is_known() -> None:
    assert {"torch", "setuptools", "pytest"} <= required_packages()
    assert unknown_startup_code() == []


def test_packages_that_nothing_requires_are_not_trusted() -> None:
    assert "litellm" not in required_packages()
    assert required_packages("no-such-package") == {"no-such-package"}
    assert importlib.metadata.version("tonewatch")
