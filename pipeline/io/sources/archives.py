"""Members of archives, read into memory under limits: nothing is written to disk, followed or run."""

import bz2
import fnmatch
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

from pipeline.base.errors import DataRejected

MAX_RATIO = 100
# A small member may compress better than that (a table of zeros); only a large one is a bomb.
RATIO_FROM_BYTES = 4_000_000
MAX_MEMBERS = 100_000
# Everything that a compressed tar holds, in multiples of the largest member that may be read.
MAX_TOTAL = 5
# A tar archive's own records, such as a long name: tarfile reads each of them into memory.
MAX_RECORD_BYTES = 1_000_000
RECORDS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
DECOMPRESSORS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
# What the libraries raise on bytes that are truncated, damaged, encrypted or no archive.
READ_ERRORS = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    OverflowError,
    MemoryError,  # a header that asks for a dictionary of gigabytes
)

Member = tuple[str, IO[bytes]]


def read_nested_member(path: Path, patterns: Sequence[str], *, max_bytes: int) -> bytes:
    """Read the one member that matches the last pattern; each earlier one names an archive in the one before.

    Raises DataRejected when a pattern matches no member or several, or a member exceeds a limit.
    """
    first, *inner = patterns
    with path.open("rb") as archive:
        content = _read_matching(archive, (first,), where=str(path), max_bytes=max_bytes)[first]
    where = str(path)
    for outer, pattern in zip(patterns, inner, strict=False):
        where = f"{where} > {outer}"
        content = _read_matching(io.BytesIO(content), (pattern,), where=where, max_bytes=max_bytes)[pattern]
    return content


def read_members(path: Path, patterns: Sequence[str], *, max_bytes: int) -> dict[str, bytes]:
    """Read several members in one pass, keyed by the last part of their patterns (`*/a.json`: `a.json`).

    Raises DataRejected as `read_nested_member` does.
    """
    with path.open("rb") as archive:
        contents = _read_matching(archive, patterns, where=str(path), max_bytes=max_bytes)
    return {PurePosixPath(pattern).name: content for pattern, content in contents.items()}


def _read_matching(
    archive: IO[bytes], patterns: Sequence[str], *, where: str, max_bytes: int
) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    names: dict[str, str] = {}
    try:
        for name, member in _members(archive, where, max_bytes):
            for pattern in patterns:
                if not fnmatch.fnmatchcase(name, pattern):
                    continue
                if pattern in contents:
                    raise DataRejected(
                        f"{where}: both {names[pattern]!r} and {name!r} match {pattern!r}. "
                        "Narrow `members` in params.yaml to one of them."
                    )
                contents[pattern] = _read(member, f"{where} > {name}", max_bytes)
                names[pattern] = name
    except READ_ERRORS as error:
        raise DataRejected(
            f"{where} cannot be read as a zip or tar archive ({type(error).__name__}: {error})."
        ) from error
    for pattern in patterns:
        if pattern not in contents:
            raise DataRejected(f"{where} has no member {pattern!r}. Correct `members` in params.yaml.")
    return contents


def _read(member: IO[bytes], where: str, max_bytes: int) -> bytes:
    content = member.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise DataRejected(
            f"{where} has more than {max_bytes:,} bytes. "
            "Raise `collect.max_megabytes` in params.yaml to read it."
        )
    return content


def _members(archive: IO[bytes], where: str, max_bytes: int) -> Iterator[Member]:
    magic = archive.read(6)
    size = archive.seek(0, io.SEEK_END)
    archive.seek(0)
    if magic.startswith(b"PK"):
        yield from _zip_members(archive, where)
        return
    opener: Any = next((opener for start, opener in DECOMPRESSORS.items() if magic.startswith(start)), None)
    stream = opener(archive, "rb") if opener else archive
    metered = _MeteredStream(stream, where, packed=size, max_bytes=max_bytes)
    yield from _tar_members(metered, where)


def _zip_members(archive: IO[bytes], where: str) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as zipped:
        _check_count(len(zipped.infolist()), where)
        for info in zipped.infolist():
            _check_name(info.filename, where)
            if info.is_dir() or stat.S_ISLNK(info.external_attr >> 16):
                continue
            # zipfile reads no more bytes than the declared size, so that is the size to check.
            _check_ratio(info.file_size, packed=info.compress_size, where=f"{where} > {info.filename}")
            with zipped.open(info) as member:
                yield info.filename, member


def _tar_members(stream: "_MeteredStream", where: str) -> Iterator[Member]:
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_BoundedTarInfo) as tar:  # type: ignore[call-overload]
        for number, info in enumerate(tar, start=1):
            _check_count(number, where)
            _check_name(info.name, where)
            member = tar.extractfile(info) if info.isreg() and not info.issparse() else None
            if member is not None:
                yield info.name, member


class _BoundedTarInfo(tarfile.TarInfo):
    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_BoundedTarInfo":
        info = super().frombuf(buf, encoding, errors)
        if info.type in RECORDS and not 0 <= info.size <= MAX_RECORD_BYTES:
            raise DataRejected(f"The archive has a record of {info.size:,} bytes, so it is not read.")
        return info


class _MeteredStream:
    """Count the bytes that a compressed stream yields, so that a bomb is stopped while it unpacks."""

    def __init__(self, stream: IO[bytes], where: str, *, packed: int, max_bytes: int) -> None:
        self.stream, self.where, self.packed, self.unpacked = stream, where, packed, 0
        # Every archive may be small: its padding alone is 10 KB.
        self.max_total = max(MAX_TOTAL * max_bytes, RATIO_FROM_BYTES)

    def read(self, size: int = -1) -> bytes:
        """Read, and raise DataRejected once too much has come out."""
        content = self.stream.read(size)
        self.unpacked += len(content)
        _check_ratio(self.unpacked, packed=self.packed, where=self.where)
        if self.unpacked > self.max_total:
            raise DataRejected(
                f"{self.where} unpacks to more than {self.max_total:,} bytes. "
                "Raise `collect.max_megabytes` in params.yaml to read it."
            )
        return content


def _check_ratio(unpacked: int, *, packed: int, where: str) -> None:
    if unpacked > RATIO_FROM_BYTES and unpacked > MAX_RATIO * packed:
        raise DataRejected(
            f"{where} unpacks to more than {MAX_RATIO} times its size, as archive bombs do. It is not read."
        )


def _check_count(number: int, where: str) -> None:
    if number > MAX_MEMBERS:
        raise DataRejected(f"{where} has more than {MAX_MEMBERS:,} members, so it is not read.")


def _check_name(name: str, where: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        raise DataRejected(f"{where} has a member outside of it ({name!r}), so it is not read.")
