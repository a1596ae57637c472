"""Folders of a training on a store that workers of other machines reach, as s3://bucket/folder.

A folder is whole once its receipt is there, which is written last. Keys and the endpoint of S3 are those of
the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.base.errors import Fault, Unreachable
from pipeline.io import files


def publish(folder: Path, address: str) -> None:
    """Copy a folder to a store, the receipt last. Raises Unreachable where the store fails."""
    from pyarrow import fs

    with _store(address) as (store, target):
        store.create_dir(target)
        for path in sorted(folder.iterdir(), key=lambda path: (path.name == files.RECEIPT, path.name)):
            fs.copy_files(str(path), f"{target}/{path.name}", destination_filesystem=store)


def read_receipt(address: str) -> bytes | None:
    """Return the receipt of a folder of a store, None where it is not whole."""
    with _store(address) as (store, source):
        try:
            with store.open_input_stream(f"{source}/{files.RECEIPT}") as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None


def fetch(address: str, folder: Path) -> bool:
    """Copy a whole folder of a store here, whole or not at all; return whether there is one.

    Raises DigestMismatch where a file is not what the receipt says, Fault where the receipt names what is no
    file of the folder.
    """
    from pyarrow import fs

    receipt = read_receipt(address)
    if receipt is None:
        return False
    listed = json.loads(receipt)
    # Whoever writes to the store must not choose where on this machine it is written.
    if strange := [name for name in listed if name in ("", ".", "..") or set(name) & set("/\\\0")]:
        raise Fault(
            f"The receipt of {address} names {strange[0]!r}, which is no file of that folder. Look at who "
            "may write to the store, remove the folder from it, then type `tonewatch run` again."
        )
    with _store(address) as (store, source), files.staging_dir(folder) as staging:
        for name in listed:
            fs.copy_files(f"{source}/{name}", str(staging / name), source_filesystem=store)
        files.write_bytes(staging / files.RECEIPT, receipt)
        files.verify_folder(staging, listed)
    return True


def names(address: str) -> list[str]:
    """Return the names of what holds a file in a folder of a store, sorted; none where it is missing."""
    from pyarrow import fs

    with _store(address) as (store, source):
        # Some servers of S3 go on listing folders whose files are deleted.
        found = store.get_file_info(fs.FileSelector(source, allow_not_found=True, recursive=True))
        inside = (one.path.removeprefix(source).strip("/") for one in found if one.is_file)
        return sorted({path.split("/")[0] for path in inside})


def remove(address: str) -> None:
    """Remove a folder of a store."""
    with _store(address) as (store, source), contextlib.suppress(FileNotFoundError):
        store.delete_dir(source)


@contextlib.contextmanager
def _store(address: str) -> Iterator[tuple[Any, str]]:
    from pyarrow import fs

    try:
        yield fs.FileSystem.from_uri(address)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreachable(
            f"The training store {address} fails: {error} Check TONEWATCH_TRAINING_STORE and the AWS_ "
            "variables, then type the same again: a training continues from its newest checkpoint."
        ) from error
