"""No file names a package host or a folder of one machine."""

import re
from pathlib import Path

# Joined here, so that this file does not contain them either.
HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("anaconda", "org"),
        ("conda", "io"),
        ("pytorch", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("jsdelivr", "net"),
        ("unpkg", "com"),
    )
)
HOMES = re.compile(r"/(?:home|root|Users)/[\w.-]+")


def test_no_file_names_a_package_host(root: Path, project_files: list[Path]) -> None:
    hits = [
        (path.relative_to(root).as_posix(), host)
        for path in project_files
        for host in HOSTS
        if host in _text(path)
    ]

    assert hits == []


def test_no_file_names_a_folder_of_one_machine(root: Path, project_files: list[Path]) -> None:
    # A root as short as "/data" is also a word.
    mine = [str(root)] if len(root.parts) > 2 else []
    hits = [
        (path.relative_to(root).as_posix(), place)
        for path in project_files
        for place in [*HOMES.findall(_text(path)), *(place for place in mine if place in _text(path))]
    ]

    assert hits == []


def _text(path: Path) -> str:
    return path.read_text("utf-8", errors="replace")
