"""Folders that are whole or absent, and the digests of what lies in them."""

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.base.errors import DigestMismatch, Fault
from pipeline.base.records import Receipt

RECEIPT = "receipt.json"
BLOCK = 1 << 20


@contextlib.contextmanager
def staging_dir(out: Path) -> Iterator[Path]:
    """Give an empty desk beside `out` and move it into place at the end; on any error `out` stays as it was.

    Raises Fault with the path when the disk is full.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    sweep_staging(out)
    staging = Path(tempfile.mkdtemp(prefix=f".{out.name}.desk-", dir=out.parent))
    staging.chmod(0o755)
    try:
        with report_disk_full(out):
            yield staging
            _flush(staging)
        _swap(staging, out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextlib.contextmanager
def report_disk_full(where: Path) -> Iterator[None]:
    """Turn "no space left on device" into an error that names the place."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise Fault(
            f"No space is left for {where}. What was there is untouched; free some space and type the same again."
        ) from error


def sweep_staging(out: Path) -> None:
    """Remove the desks that killed writers of `out` have left, and bring back a folder caught between two renames."""
    for aside in out.parent.glob(f".{out.name}.old-*"):
        if out.exists():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.rename(out)
    for staging in out.parent.glob(f".{out.name}.desk-*"):
        shutil.rmtree(staging, ignore_errors=True)


def write_bytes(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write one file whole or not at all, and flush it to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with report_disk_full(path):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(mode)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def write_json(path: Path, content: Any) -> None:
    """Write a document with sorted keys, so that equal content is equal bytes."""
    write_bytes(path, json_bytes(content))


def json_bytes(content: Any) -> bytes:
    """Give the bytes that `write_json` writes."""
    return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read_json(path: Path) -> Any:
    """Read a JSON document."""
    return json.loads(path.read_text("utf-8"))


def sha256(path: Path) -> str:
    """Digest one file, streamed."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def folder_digests(folder: Path) -> dict[str, str]:
    """Digest every file below a folder, its receipt aside, by its path from there."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != RECEIPT)
    return {path.relative_to(folder).as_posix(): sha256(path) for path in found}


def verify_folder(folder: Path, expected: dict[str, str]) -> None:
    """Raise DigestMismatch unless the folder holds exactly these files with these digests, its receipt aside."""
    strange = next(
        (
            path
            for path in sorted(folder.rglob("*"))
            if path.is_symlink() or not (path.is_file() or path.is_dir())
        ),
        None,
    )
    if strange is not None:
        what = (
            "a symbolic link, and what that points to can change" if strange.is_symlink() else "no plain file"
        )
        raise DigestMismatch(f"{strange} is {what}.")
    found = folder_digests(folder)
    for name in sorted(set(found) | set(expected)):
        if name not in found:
            raise DigestMismatch(f"{folder / name} is missing.")
        if name not in expected:
            raise DigestMismatch(f"{folder / name} does not belong there.")
        if found[name] != expected[name]:
            raise DigestMismatch(
                f"{folder / name} was changed: SHA-256 {found[name][:12]}, recorded {expected[name][:12]}."
            )


def write_receipt(staging: Path, receipt: Receipt) -> Receipt:
    """Write the receipt last, with the digest of every file beside it."""
    complete = dataclasses.replace(receipt, files=folder_digests(staging))
    write_json(staging / RECEIPT, dataclasses.asdict(complete))
    return complete


def read_receipt(folder: Path) -> Receipt:
    """Read the receipt of a finished stage."""
    return Receipt(**read_json(folder / RECEIPT))


def verified_receipt(folder: Path, *, made_by: str) -> Receipt:
    """Read a finished stage's receipt after checking every file beside it against it.

    DVC trusts its cache without looking (a flipped byte checks out as "up to date"), so each reader looks.
    """
    if not (folder / RECEIPT).is_file():
        raise Fault(
            f"{folder} is missing or unfinished. Make it with `tonewatch stage {made_by}`, or all of it with `tonewatch run`."
        )
    receipt = read_receipt(folder)
    try:
        verify_folder(folder, dict(receipt.files))
    except DigestMismatch as error:
        raise DigestMismatch(f"{error} Make it anew with `tonewatch stage {made_by}`.") from error
    return receipt


def _flush(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _swap(staging: Path, out: Path) -> None:
    aside = out.with_name(f".{out.name}.old-{staging.name.rpartition('-')[2]}")
    if out.exists():
        out.rename(aside)
    staging.rename(out)
    shutil.rmtree(aside, ignore_errors=True)
