"""Folders that are whole or absent, and the digests of their files."""

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.base.errors import DigestMismatch, Fault
from pipeline.base.records import Receipt
from pipeline.io.cache_links import is_cache_link
from pipeline.io.file_access import OWN_FILE, keep_access

RECEIPT = "receipt.json"
STAGING = "staging"
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def staging_dir(out: Path) -> Iterator[Path]:
    """Yield an empty folder beside `out`, renamed to `out` at the end; on any error `out` stays as it was.

    Raises Fault with the path when the disk is full.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    sweep_staging(out)
    # Not by `tempfile`, which ignores the umask: who may read it is decided once, for the whole process.
    staging = out.with_name(f".{out.name}.{STAGING}-{secrets.token_hex(4)}")
    staging.mkdir()
    try:
        with report_disk_full(out):
            yield staging
            _flush(staging)
        _swap(staging, out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextlib.contextmanager
def report_disk_full(where: Path) -> Iterator[None]:
    """Turn "no space left on device" within the block into a Fault that names `where`."""
    try:
        yield
    except Exception as error:
        if not _is_disk_full(error):
            raise
        raise Fault(
            f"No space is left for {where}, which is unchanged. Free some space, then type the same again."
        ) from error


def _is_disk_full(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in DISK_FULL
    # What safetensors writes by itself fails as an error of its own.
    return any(f"(os error {number})" in str(error) for number in DISK_FULL)


def sweep_staging(out: Path) -> None:
    """Remove the staging folders of killed writers of `out`, and restore it if a swap was interrupted."""
    for old in out.parent.glob(f".{out.name}.old-*"):
        if out.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(out)
    for name in (STAGING, "desk"):  # earlier versions used the latter
        for staging in out.parent.glob(f".{out.name}.{name}-*"):
            shutil.rmtree(staging, ignore_errors=True)


def write_bytes(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write one file whole or not at all, and flush it to the disk.

    Who may read it is up to the process's umask; a private file is for its owner, or the group of a shared
    workspace. Raises Fault with the path when the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with report_disk_full(path):
        name = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        mode = OWN_FILE if private else 0o666
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if private:
                keep_access(name)
            os.replace(name, path)
        except BaseException:
            name.unlink(missing_ok=True)
            raise


def write_json(path: Path, content: object) -> None:
    """Write a document with sorted keys, so that equal content is equal bytes."""
    write_bytes(path, json_bytes(content))


def json_bytes(content: object) -> bytes:
    """Return the bytes that `write_json` writes."""
    return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read_json(path: Path) -> Any:
    """Read a JSON document."""
    return json.loads(path.read_text("utf-8"))


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder but its receipt, by its path within the folder."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != RECEIPT)
    return {path.relative_to(folder).as_posix(): sha256(path) for path in paths}


def verify_folder(folder: Path, expected: Mapping[str, str]) -> None:
    """Raise DigestMismatch unless a folder holds its receipt and exactly these files with these digests.

    A symbolic link is accepted only where DVC made it, into its own cache (`cache.type symlink`).
    """
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() and not is_cache_link(path):
            raise DigestMismatch(f"{path} is a symbolic link, whose target can change.")
        if not (path.is_file() or path.is_dir()):
            raise DigestMismatch(f"{path} is not a regular file.")
    digests = folder_digests(folder)
    for name in sorted(digests.keys() | expected.keys()):
        if name not in digests:
            raise DigestMismatch(f"{folder / name} is missing.")
        if name not in expected:
            raise DigestMismatch(f"{folder / name} does not belong there.")
        if digests[name] != expected[name]:
            raise DigestMismatch(
                f"{folder / name} was changed: SHA-256 {digests[name][:12]}, recorded {expected[name][:12]}."
            )


def write_receipt(staging: Path, receipt: Receipt) -> Receipt:
    """Write the receipt, last, with the digest of every file beside it; return it complete."""
    complete = dataclasses.replace(receipt, files=folder_digests(staging))
    write_json(staging / RECEIPT, dataclasses.asdict(complete))
    return complete


def read_receipt(folder: Path) -> Receipt:
    """Read the receipt of a finished stage."""
    return Receipt(**read_json(folder / RECEIPT))


def verified_receipt(folder: Path, *, made_by: str) -> Receipt:
    """Read the receipt of a finished stage after verifying every file beside it.

    DVC trusts its cache (to it a flipped byte is "up to date"), so each reader verifies. Raises Fault when
    the folder is missing or unfinished, DigestMismatch when a file differs from the receipt.
    """
    if not (folder / RECEIPT).is_file():
        raise Fault(
            f"{folder} is missing or unfinished. Type `tonewatch stage {made_by}`, "
            "or `tonewatch run` for all stages."
        )
    receipt = read_receipt(folder)
    try:
        verify_folder(folder, receipt.files)
    except DigestMismatch as error:
        raise DigestMismatch(f"{error} To rebuild it, type `tonewatch stage {made_by}`.") from error
    return receipt


def _flush(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _swap(staging: Path, out: Path) -> None:
    old = out.with_name(f".{out.name}.old-{staging.name.rpartition('-')[2]}")
    if out.exists():
        out.rename(old)
    staging.rename(out)
    shutil.rmtree(old, ignore_errors=True)
