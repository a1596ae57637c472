"""Packed tables as streams: unpacked while they are read, under limits, and never onto the disk."""

import bz2
import contextlib
import fnmatch
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from pipeline.base.errors import DataRejected, SourceUnreachable
from pipeline.io.table_files import signatures

MAX_RATIO = 100
# A small table may compress better than that; only a large one is a bomb.
RATIO_FROM_BYTES = 4_000_000
START_BYTES = 4096
MEMBERS_LISTED = 10
# What the libraries raise on bytes that are truncated, damaged or encrypted.
READ_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    NotImplementedError,
    MemoryError,
)
OFFICE = {
    "xl/": "xlsx",
    "word/": "a Word document. Save its table as CSV",
    "ppt/": "a PowerPoint file. Save its table as CSV",
}


@dataclass(frozen=True)
class Packing:
    """Hold how a file is packed: nothing, gz, zip, zst, bz2 or xz; of a zip also the member to read.

    `kind` is set where the bytes themselves say what the table is: parquet, xlsx, xls or ods.
    """

    name: str = ""
    member: str = ""
    kind: str = ""


def find_packing(path: Path, where: str, *, max_bytes: int, member: str | None = None) -> Packing:
    """Return how a file is packed.

    Raises DataRejected for a file that holds no table, and for a zip with several members unless `member`
    matches one of them; SourceUnreachable for one that cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(START_BYTES)
        size = path.stat().st_size
    except OSError as error:
        raise SourceUnreachable(f"{where} cannot be read ({error.strerror}).") from error
    if not start:
        raise DataRejected(f"{where} is empty. Put a table with a header and rows there.")
    if size > max_bytes:
        raise DataRejected(
            f"{where} has {size:,} bytes, more than {max_bytes:,}. "
            "Raise `collect.max_megabytes` in params.yaml to read it."
        )
    _refuse(start, where)
    if start.startswith(signatures.PARQUET):
        return Packing(kind="parquet")
    if start.startswith(signatures.OLE):
        return Packing(kind="xls")
    name = signatures.packing_of(start)
    return _find_member(path, where, max_bytes, member) if name == "zip" else Packing(name)


@contextlib.contextmanager
def open_unpacked(path: Path, packing: Packing, where: str, *, max_bytes: int) -> Iterator[BinaryIO]:
    """Open the bytes of a table; reading them raises DataRejected beyond the limits or for damage."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
            stream = _unpacker(file, packing, path)
        except READ_ERRORS as error:
            raise _damaged(where, packing, error) from error
        if packing.name:
            stack.callback(stream.close)
            metered = _MeteredStream(stream, where, packing, path.stat().st_size, max_bytes)
            opened = io.BufferedReader(metered, 1 << 18)
            start = opened.peek(START_BYTES)[:START_BYTES]
            if signatures.packing_of(start):
                raise DataRejected(f"{where} is packed twice. Unpack it once, and name what is inside.")
            _refuse(start, f"{where} (unpacked)")
            yield cast(BinaryIO, opened)
        else:
            yield file


def _unpacker(file: IO[bytes], packing: Packing, path: Path) -> Any:
    if packing.name == "gz":
        return gzip.GzipFile(fileobj=file)
    if packing.name == "bz2":
        return bz2.BZ2File(file)
    if packing.name == "xz":
        return lzma.LZMAFile(file)
    if packing.name == "zip":
        return zipfile.ZipFile(file).open(packing.member)
    if packing.name == "zst":
        import pyarrow

        return pyarrow.CompressedInputStream(pyarrow.OSFile(str(path)), "zstd")
    return file


def _find_member(path: Path, where: str, max_bytes: int, pattern: str | None) -> Packing:
    try:
        with zipfile.ZipFile(path) as zipped:
            infos = [one for one in zipped.infolist() if not one.is_dir()]
            names = [one.filename for one in infos]
            if any(name == "[Content_Types].xml" for name in names):
                return _office(infos, names, where, path, max_bytes)
            if "mimetype" in names and b"opendocument" in (mime := zipped.read("mimetype")[:200]):
                if b"spreadsheet" not in mime:
                    raise DataRejected(f"{where} is an OpenDocument text. Save its table as CSV.")
                _check_size(infos, where, path, max_bytes)
                return Packing(kind="ods")
    except READ_ERRORS as error:
        raise _damaged(where, Packing("zip"), error) from error
    # What macOS adds to an archive.
    tables = [one for one in infos if not one.filename.startswith("__MACOSX/")]
    tables = [one for one in tables if not one.filename.rpartition("/")[2].startswith(".")]
    if pattern is not None:
        tables = [one for one in tables if fnmatch.fnmatchcase(one.filename, pattern)]
    if len(tables) != 1:
        listed = ", ".join(repr(name[:60]) for name in names[:MEMBERS_LISTED])
        raise DataRejected(
            f"{where} is a zip in which {len(tables)} files could be the table (it holds {listed}). "
            "Name one in params.yaml: `member: NAME`, or unpack it."
        )
    if tables[0].flag_bits & 1:
        raise DataRejected(f"{where} is a zip with a password. Unpack {tables[0].filename!r} by hand.")
    return Packing("zip", member=tables[0].filename)


def _office(
    infos: list[zipfile.ZipInfo], names: list[str], where: str, path: Path, max_bytes: int
) -> Packing:
    kind = next((kind for folder, kind in OFFICE.items() if any(n.startswith(folder) for n in names)), "")
    if kind != "xlsx":
        raise DataRejected(f"{where} is {kind or 'an Office file without a table. Save the table as CSV'}.")
    _check_size(infos, where, path, max_bytes)
    return Packing(kind="xlsx")


def _check_size(infos: list[zipfile.ZipInfo], where: str, path: Path, max_bytes: int) -> None:
    unpacked = sum(one.file_size for one in infos)
    if unpacked > max_bytes:
        raise _too_large(where, max_bytes)
    if unpacked > RATIO_FROM_BYTES and unpacked > MAX_RATIO * path.stat().st_size:
        raise _bomb(where)


class _MeteredStream(io.RawIOBase):
    """Count the bytes that a packed stream yields, so that a bomb is stopped while it unpacks."""

    def __init__(self, stream: Any, where: str, packing: Packing, packed: int, max_bytes: int) -> None:
        self._stream, self._where, self._packing = stream, where, packing
        self._packed, self._max_bytes, self._unpacked = packed, max_bytes, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            content = self._stream.read(len(buffer))
        except DataRejected:
            raise
        except READ_ERRORS as error:
            raise _damaged(self._where, self._packing, error) from error
        self._unpacked += len(content)
        if self._unpacked > self._max_bytes:
            raise _too_large(self._where, self._max_bytes)
        if self._unpacked > RATIO_FROM_BYTES and self._unpacked > MAX_RATIO * self._packed:
            raise _bomb(self._where)
        buffer[: len(content)] = content
        return len(content)


def _refuse(start: bytes, where: str) -> None:
    if sentence := signatures.refusal(start):
        raise DataRejected(f"{where} is {sentence}.")


def _too_large(where: str, max_bytes: int) -> DataRejected:
    return DataRejected(
        f"{where} unpacks to more than {max_bytes:,} bytes. "
        "Raise `collect.max_megabytes` in params.yaml to read it."
    )


def _bomb(where: str) -> DataRejected:
    return DataRejected(
        f"{where} unpacks to more than {MAX_RATIO} times its size, as archive bombs do. It is not read."
    )


def _damaged(where: str, packing: Packing, error: BaseException) -> DataRejected:
    return DataRejected(
        f"{where} cannot be unpacked as {packing.name or 'a file'} ({type(error).__name__}: {error}). "
        "Its download was cut or damaged: fetch it again."
    )
