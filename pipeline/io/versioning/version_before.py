"""The cleaned texts of the data version before those of a run."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.base.errors import Fault, NotAWorkspace, TonewatchError
from pipeline.io import files
from pipeline.io.versioning import data_branch
from pipeline.io.versioning.git import ensure_git_and_dvc

CLEAN, SPLIT_FOLDER = "data/clean", "data/splits"


@contextlib.contextmanager
def exported_before(root: Path, clean: Path) -> Iterator[tuple[str, Path] | None]:
    """Yield the name and the cleaned texts of the data version before those in `clean`; None without one.

    Versions of the same texts are passed over: a run that only validates again compares as it did before.
    A version of which something was forgotten has only its splits left; they are yielded instead.
    """
    try:
        ensure_git_and_dvc(root)
        versions = data_branch.list_versions(root)
    except NotAWorkspace:
        versions = ()
    with tempfile.TemporaryDirectory(prefix="tonewatch-before-") as staging:
        exported = None
        for version in versions:
            folder = _export(root, version.name, Path(staging) / version.name)
            if folder is None:
                continue
            if not _equal(folder, clean):
                exported = version.name, folder
                break
        yield exported


def _export(root: Path, name: str, folder: Path) -> Path | None:
    for path in (CLEAN, SPLIT_FOLDER):
        out = folder / path
        out.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(Fault, OSError):
            data_branch.export_folder(root, name, path, out)
            if (out / files.RECEIPT).is_file():
                return out
    return None


def _equal(folder: Path, clean: Path) -> bool:
    try:
        return files.read_receipt(folder).files == files.read_receipt(clean).files
    except (OSError, ValueError, TypeError, TonewatchError):
        return False
