"""Take what is named out of a record that may be older than today's and hold less."""

from collections.abc import Mapping
from typing import Any


def pick(record: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Take these values and no others; one that is not there is None."""
    return {name: record.get(name) for name in names}


def get_path(record: Any, *path: str) -> Any:
    """Follow names downwards; None where the way ends."""
    for name in path:
        if not isinstance(record, Mapping):
            return None
        record = record.get(name)
    return record
