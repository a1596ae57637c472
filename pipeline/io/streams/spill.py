"""What is too large for memory, in files that are removed: columns of numbers, and texts by row."""

import contextlib
import os
import shutil
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray


class SignedTexts(Protocol):
    """Hold texts and rows of numbers of 64 bits."""

    @property
    def content(self) -> bytes:
        """Return the texts in UTF-8, one behind the other."""

    @property
    def ends(self) -> NDArray[np.int64]:
        """Return where each text ends."""

    @property
    def bands(self) -> NDArray[np.uint64]:
        """Return the numbers of each text."""


class SpilledTexts:
    """Append texts with their numbers; read one text, or one of the numbers of all.

    In memory is where each text ends.
    """

    def __init__(self, folder: Path, files: contextlib.ExitStack) -> None:
        self._folder, self._stack = folder, files
        self._bands: list[BinaryIO] = []
        self._texts = files.enter_context((folder / "texts").open("w+b"))
        self._ends = array("q", [0])

    def append(self, signed: SignedTexts) -> None:
        """Append texts."""
        while len(self._bands) < signed.bands.shape[1]:
            path = self._folder / f"band-{len(self._bands)}"
            self._bands.append(self._stack.enter_context(path.open("w+b")))
        for file, band in zip(self._bands, signed.bands.T, strict=True):
            file.write(np.ascontiguousarray(band).tobytes())
        self._texts.write(signed.content)
        self._texts.flush()
        self._ends.frombytes((signed.ends + self._ends[-1]).tobytes())

    def band(self, number: int) -> NDArray[np.uint64]:
        """Return one of the numbers of all texts."""
        file = self._bands[number]
        file.flush()
        return np.fromfile(file.name, dtype=np.uint64)

    def text(self, row: int) -> str:
        """Return the text of a row."""
        start, end = self._ends[row], self._ends[row + 1]
        # Not mapped into memory: what was read would count as this process's own.
        return os.pread(self._texts.fileno(), end - start, start).decode("utf-8", "surrogatepass")


@contextlib.contextmanager
def spill(folder: Path) -> Iterator[SpilledTexts]:
    """Yield a place for texts in a folder that is removed with the block."""
    folder.mkdir()
    try:
        with contextlib.ExitStack() as files:
            yield SpilledTexts(folder, files)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
