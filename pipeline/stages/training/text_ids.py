"""The ids of training texts, by which an error names those that spoil a training."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.io import parquet
from pipeline.io.training.token_shards import TABLE_ROW, TokenShards


@dataclass(frozen=True)
class TextIds:
    """Look up the ids of tokenized texts in the table of their split."""

    shards: TokenShards
    table: Path

    def __call__(self, rows: Sequence[int]) -> list[str]:
        """Return the ids of the texts of these rows, each once, in the order of the table."""
        wanted = set(self.shards.column(TABLE_ROW)[list(rows)].tolist())
        ids = (name for (name,) in parquet.stream_rows(self.table, "id"))
        return [name for row, name in enumerate(ids) if row in wanted]
