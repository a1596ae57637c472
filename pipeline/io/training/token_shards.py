"""Tokenized texts as Arrow files that every worker maps into its memory.

A folder holds shards, each an Arrow file of batches of rows, and last a receipt with their digests. Only an
index of a few bytes a text is in memory; the tokens are in the page cache, which workers of a machine share.
"""

import bisect
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.io import files
from pipeline.io.training.local_copies import is_whole, local_copy
from pipeline.io.training.stores import publish

BATCH_TEXTS = 4096
SHARD_TEXTS = 512 * 1024
TOKENS, LABEL, PROBABILITIES, LABEL_SET, TAGS = "tokens", "label", "probabilities", "label_set", "tags"
# The row of a text in the table of its split, where errors look its id up.
TABLE_ROW = "table_row"
# A column of a batch of rows, by name; `tokens` has a list for each text.
Columns = Mapping[str, Sequence[Any] | NDArray[Any]]


def in_batches(rows: Iterable[Any]) -> Iterator[list[Any]]:
    """Yield rows in lists of the size in which they are encoded and written."""
    remaining = iter(rows)
    while batch := list(itertools.islice(remaining, BATCH_TEXTS)):
        yield batch


def write_shards(folder: Path, batches: Iterable[Columns]) -> "TokenShards":
    """Write batches of rows whole or not at all, one in memory at a time, and open them.

    A folder that is whole already is not written again, and the batches are not made. Raises Fault with the
    path when the disk is full.
    """
    if not is_whole(folder):
        with files.staging_dir(folder) as staging:
            _write(staging, iter(batches))
            files.write_json(staging / files.RECEIPT, files.folder_digests(staging))
    return TokenShards(str(folder.resolve()))


def publish_shards(shards: "TokenShards", address: str) -> "TokenShards":
    """Copy shards to a store that workers of other machines reach, the receipt last; open them there.

    `address` is a folder of the store, as s3://bucket/folder.
    """
    publish(Path(shards.place), address)
    return TokenShards(address)


class TokenShards:
    """Read tokenized texts by row from a folder, or from a store, which is copied once a machine.

    It travels to a worker as the address alone.
    """

    def __init__(self, place: str) -> None:
        self.place = place

    def __getstate__(self) -> dict[str, str]:
        return {"place": self.place}

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, row: int) -> NDArray[np.int32]:
        return self.row(TOKENS, row)

    @property
    def tokens(self) -> "TokenShards":
        """Return the tokens of the texts."""
        return self

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Return the number of tokens of every text."""
        return np.concatenate([np.diff(_lists(batch, TOKENS)[0]) for batch in self._batches]).astype(np.int64)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Return the label of every text."""
        return self.column(LABEL)

    @cached_property
    def probabilities(self) -> NDArray[np.float32]:
        """Return the probability of each label of every text."""
        return self.column(PROBABILITIES)

    @cached_property
    def label_sets_NL(self) -> NDArray[np.bool_]:  # noqa: N802
        """Return which labels each text has: NL."""
        return self.column(LABEL_SET).astype(np.bool_)

    def tags(self, row: int) -> NDArray[np.int32]:
        """Return the label of each token of a text."""
        return self.row(TAGS, row)

    def column(self, name: str) -> NDArray[Any]:
        """Return a column of numbers, or of equally long lists of them."""
        return np.concatenate([_numbers(batch, name) for batch in self._batches])

    def row(self, name: str, row: int) -> NDArray[Any]:
        """Return the list of one text in a column of lists."""
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)} texts")
        number = bisect.bisect_right(self._starts, row) - 1
        offsets, values = self._views(name)[number]
        place = row - self._starts[number]
        found: NDArray[Any] = values[offsets[place] : offsets[place + 1]]
        return found

    def _views(self, name: str) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        if name not in self._views_by_name:
            self._views_by_name[name] = [_lists(batch, name) for batch in self._batches]
        return self._views_by_name[name]

    @cached_property
    def _views_by_name(self) -> dict[str, list[tuple[NDArray[Any], NDArray[Any]]]]:
        return {}

    @cached_property
    def _starts(self) -> list[int]:
        return list(itertools.accumulate((batch.num_rows for batch in self._batches), initial=0))

    @cached_property
    def _batches(self) -> list[Any]:
        import pyarrow

        readers = [
            pyarrow.ipc.open_file(pyarrow.memory_map(str(path)))
            for path in sorted(local_copy(self.place).glob("*.arrow"))
        ]
        return [reader.get_batch(number) for reader in readers for number in range(reader.num_record_batches)]


def _write(staging: Path, batches: Iterator[Columns]) -> None:
    import pyarrow

    per_shard = SHARD_TEXTS // BATCH_TEXTS
    for number, first in enumerate(batches):
        record = _record(first)
        with pyarrow.ipc.new_file(str(staging / f"{number:05d}.arrow"), record.schema) as writer:
            writer.write_batch(record)
            for batch in itertools.islice(batches, per_shard - 1):
                writer.write_batch(_record(batch))


def _record(columns: Columns) -> Any:
    import pyarrow

    return pyarrow.record_batch({name: _array(name, values) for name, values in columns.items()})


def _array(name: str, values: Sequence[Any] | NDArray[Any]) -> Any:
    import pyarrow

    if isinstance(values, np.ndarray):
        if values.ndim == 1:
            return pyarrow.array(values)
        flat = pyarrow.array(values.reshape(-1))
        return pyarrow.FixedSizeListArray.from_arrays(flat, values.shape[1])
    return pyarrow.array(values, type=pyarrow.int64() if name == LABEL else pyarrow.list_(pyarrow.int32()))


def _lists(batch: Any, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return offsets and values of a column of lists, both mapped."""
    column = batch.column(name)
    return column.offsets.to_numpy(), column.values.to_numpy()


def _numbers(batch: Any, name: str) -> NDArray[Any]:
    import pyarrow

    column = batch.column(name)
    if pyarrow.types.is_fixed_size_list(column.type):
        return column.values.to_numpy().reshape(len(column), -1)  # type: ignore[no-any-return]
    return column.to_numpy()  # type: ignore[no-any-return]
