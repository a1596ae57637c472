"""What a selection comes to: the texts and ids to be forgotten."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.base.config import Workspace
from pipeline.io import files
from pipeline.io.forgetting.held_files import Row, held_rows, is_table
from pipeline.io.forgetting.record import REMAINS
from pipeline.io.journal.journal import Journal
from pipeline.io.versioning import held_objects
from pipeline.operations.forgetting.selection import Selection


@dataclass
class Targets:
    """Hold what is to be forgotten: its texts and ids, in memory alone, and the predictions to erase."""

    texts: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)

    def add(self, row: Row) -> None:
        """Add a row of a table."""
        self.texts |= {row[name] for name in ("text", "content") if row.get(name)}
        self.ids |= {row["id"]} if row.get("id") else set()


def find_targets(workspace: Workspace, selection: Selection) -> Targets:
    """Search tables, DVC's cache and the journal for what is selected."""
    targets = Targets()
    for path in [*work_files(workspace.root), *held_objects.cache_objects(workspace.root)]:
        try:
            for row in held_rows(path, selection.hits) if is_table(path) else ():
                targets.add(row)
        except (OSError, ValueError):
            continue  # named by the search that follows
    for entry in Journal.reading(workspace.journal).predictions("", "9999"):
        if selection.hits_entry(entry) and entry.text:
            targets.texts.add(entry.text)
    targets.ids |= selection.ids
    return targets


def work_files(root: Path) -> Iterator[Path]:
    """Yield the files of our own that may hold texts."""
    for folder in work_folders(root):
        yield from (
            path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != files.RECEIPT
        )


def work_folders(root: Path) -> tuple[Path, ...]:
    """Return the folders of these files: of stages, of remains of marked versions, and of rows of the web."""
    return root / "data", root / ".tonewatch" / REMAINS, root / ".tonewatch" / "web"
