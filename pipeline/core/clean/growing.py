"""Arrays that grow while texts come in batches, and lie in one piece of memory."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class GrowingArray:
    """Append to an array; it has `width` numbers a row."""

    def __init__(self, dtype: DTypeLike, width: int = 1) -> None:
        self._dtype, self._width = np.dtype(dtype), width
        self._bytes = bytearray()

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._bytes) // (self._dtype.itemsize * self._width)

    def extend(self, rows: NDArray[Any]) -> None:
        """Append rows."""
        self._bytes += np.ascontiguousarray(rows, dtype=self._dtype).tobytes()

    def array(self) -> NDArray[Any]:
        """Return all rows; nothing can be appended while the array is in use."""
        whole = np.frombuffer(self._bytes, dtype=self._dtype)
        return whole.reshape(-1, self._width) if self._width > 1 else whole
