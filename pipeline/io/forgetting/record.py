"""The record of what a workspace forgot, and what is left of the data versions that held it."""

from collections.abc import Collection
from pathlib import Path

from pipeline.base.documents.forgotten import ForgottenDocument
from pipeline.base.errors import Fault
from pipeline.io import files

RECORD, REMAINS = "forgotten.json", "remains"


def record_path(root: Path) -> Path:
    """Return the path of the record of a workspace."""
    return root / ".tonewatch" / RECORD


def read_record(root: Path) -> ForgottenDocument:
    """Read the record; an empty one where nothing was ever forgotten.

    Raises Fault for a damaged one: nobody knows then what must not come back.
    """
    path = record_path(root)
    if not path.is_file():
        return {"texts": [], "ids": [], "versions": {}, "releases": {}, "pending": {}}
    try:
        content = files.read_json(path)
        return {
            "texts": list(content["texts"]),
            "ids": list(content["ids"]),
            "versions": dict(content["versions"]),
            "releases": dict(content["releases"]),
            "pending": dict(content.get("pending", {})),  # newer than the others
        }
    except (ValueError, KeyError, TypeError) as error:
        raise Fault(
            f"{path}, which names what was forgotten, is damaged. Restore it from a backup."
        ) from error


def extend_record(
    root: Path,
    *,
    texts: Collection[str],
    ids: Collection[str],
    versions: Collection[str],
    releases: Collection[str],
    pending: Collection[str],
    time: str,
) -> None:
    """Add digests, data versions, releases and pending places; what is there already keeps its time."""
    record = read_record(root)
    record["texts"] = sorted({*record["texts"], *texts})
    record["ids"] = sorted({*record["ids"], *ids})
    record["versions"] = dict.fromkeys(sorted(versions), time) | record["versions"]
    record["releases"] = dict.fromkeys(sorted(releases), time) | record["releases"]
    record["pending"] = dict.fromkeys(sorted(pending), time) | record["pending"]
    files.write_bytes(record_path(root), files.json_bytes(record), private=True)


def erased_in(root: Path, place: str) -> None:
    """Note that nothing is pending any more in a DVC remote, or in the workspace itself (``)."""
    record = read_record(root)
    if record["pending"].pop(place, None) is not None:
        files.write_bytes(record_path(root), files.json_bytes(record), private=True)


def remains_of(root: Path, version: str) -> Path:
    """Return the folder with the splits of a marked data version, without what was forgotten."""
    return root / ".tonewatch" / REMAINS / version


def not_whole_sentence(name: str, time: str) -> str:
    """Say why a data version cannot be restored."""
    return (
        f"Data version {name} held texts that were forgotten on {time[:10]}: it stays listed and cannot be "
        "restored whole. `tonewatch run` makes a version without them."
    )
