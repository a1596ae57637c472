"""Texts before and after cleaning: what was collected is stored cleaned, so the sources are read again."""

import contextlib
import itertools
from pathlib import Path

from pipeline.base.config import Params, Workspace
from pipeline.base.config.sources import FileSource, PackageSource
from pipeline.base.documents.data_report import CleaningExample
from pipeline.base.errors import TonewatchError
from pipeline.base.records import TextRecord
from pipeline.core.privacy.preparation import MASKED
from pipeline.io import files
from pipeline.io.sources.source_reader import open_sources
from pipeline.io.version_tables import texts_by_id

MOST_ROWS = 20_000
EXAMPLE = "example/"


def cleaning_examples(workspace: Workspace, params: Params, clean: Path) -> list[CleaningExample]:
    """Return a text for each rule that changed any; how it was is left out where it held personal data.

    The first rows of the files and packages are read again; a text that is no longer there, or is another one
    now, is shown as it is in the version.
    """
    if not (clean / files.RECEIPT).is_file():
        return []
    notes = files.read_receipt(clean).notes
    ids = {name.removeprefix(EXAMPLE): one for name, one in notes.items() if name.startswith(EXAMPLE)}
    after = texts_by_id(clean / "texts.parquet", set(ids.values()))
    before = _collected(workspace, params, set(after))
    examples = []
    for rule, name in sorted(ids.items()):
        if name in after:
            shown = before.get(name)
            usable = shown is not None and _is_safe(shown, after[name])
            examples.append(CleaningExample(rule, name, shown if usable else None, MASKED(after[name])))
    return examples


def _is_safe(before: str, after: str) -> bool:
    """Return whether a text became this one by rules alone: nothing in it was personal data."""
    prepared, _, kinds = MASKED.apply(before)
    return prepared == after and not kinds


def _collected(workspace: Workspace, params: Params, ids: set[str]) -> dict[str, str]:
    texts: dict[str, str] = {}
    reader = open_sources(workspace, params.collect)
    for source in reader.sources:
        if len(texts) == len(ids) or not isinstance(source, FileSource | PackageSource):
            continue
        with contextlib.suppress(TonewatchError, OSError, ValueError):
            for row in itertools.islice(reader.records(source), MOST_ROWS):
                if isinstance(row, TextRecord) and row.id in ids:
                    texts.setdefault(row.id, row.text)
                    if len(texts) == len(ids):
                        break
    return texts
