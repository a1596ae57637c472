"""How long the stages of a workspace ran, beside their receipts, which hold no time."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from pipeline.base.digests import json_digest
from pipeline.base.records import Receipt
from pipeline.io import files

FILE = "costs.json"
# Of some twenty runs; what is older was judged long ago.
MOST_ENTRIES = 200


@dataclass(frozen=True)
class StageCost:
    """Hold the seconds that a stage ran, and how many cores or workers it could use."""

    seconds: float
    cores: int


class StageCosts:
    """Keep the cost of each receipt in a file; a stage that is repeated counts by its last run.

    Two processes that write at once may lose an entry: nothing is decided by it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def keep(self, receipt: Receipt, cost: StageCost) -> None:
        """Keep the cost of what the receipt describes."""
        entries = self._read()
        entries.pop(_key(receipt), None)
        entries[_key(receipt)] = dataclasses.astuple(cost)
        newest = list(entries.items())[-MOST_ENTRIES:]
        files.write_bytes(self._path, files.json_bytes([[key, *cost] for key, cost in newest]))

    def find(self, receipt: Receipt) -> StageCost | None:
        """Return the cost of what the receipt describes, None where it is not known."""
        found = self._read().get(_key(receipt))
        return StageCost(*found) if found else None

    def _read(self) -> dict[str, tuple[float, int]]:
        try:
            return {key: (float(seconds), int(cores)) for key, seconds, cores in files.read_json(self._path)}
        except (OSError, ValueError, TypeError):
            return {}


def _key(receipt: Receipt) -> str:
    return json_digest(dataclasses.asdict(receipt))
