"""What forgetting found, erased and left: names and numbers, never a text."""

import dataclasses
from dataclasses import dataclass, field

from pipeline.base.documents.forgotten import HeldPlace


@dataclass(frozen=True)
class RecordsReport:
    """Say where forgotten records stood.

    `objects` counts the objects of DVC's cache, `versions` are data versions that held one, `releases` those
    trained on them. `left` are files that still hold a text: a person's own, which nothing here writes.
    `kept_objects` are those of a cache that other workspaces share. `remotes` counts the objects by DVC
    remote, `pending` says of each one that failed why. `trainings` did not end, and go with the tokens of
    their texts; `store_pending` says why the training store failed.
    """

    places: tuple[HeldPlace, ...]
    objects: int
    versions: tuple[str, ...]
    releases: tuple[str, ...]
    unreadable: tuple[str, ...]
    kept_objects: tuple[str, ...] = ()
    remotes: dict[str, int] = field(default_factory=dict)
    pending: dict[str, str] = field(default_factory=dict)
    trainings: tuple[str, ...] = ()
    store_pending: str = ""
    left: tuple[str, ...] = ()
    dry_run: bool = False

    def with_remotes(self, remotes: dict[str, int], pending: dict[str, str]) -> "RecordsReport":
        """Return the report with what the DVC remotes hold."""
        return dataclasses.replace(self, remotes=remotes, pending=pending)

    def with_left(self, left: tuple[str, ...], *, dry_run: bool) -> "RecordsReport":
        """Return the report with the files that still hold a text."""
        return dataclasses.replace(self, left=left, dry_run=dry_run)

    def sentences(self) -> list[str]:
        """Say it for a person."""
        verb = "Would be erased" if self.dry_run else "Erased"
        if not self.places and not self.objects and not any(self.remotes.values()):
            lines = ["Nothing that is stored matches."]
        else:
            lines = [f"{verb}, in rows:", *(f"  {one['place']}: {one['rows']:,}" for one in self.places)]
            lines.append(f"  DVC cache: {self.objects:,} files")
            lines += [f"  DVC remote {name}: {number:,} files" for name, number in self.remotes.items()]
        if self.versions:
            lines.append(
                f"Data versions that held it: {', '.join(self.versions)}. They stay listed, marked, and "
                "cannot be restored whole."
            )
        if self.releases:
            lines.append(
                f"Releases trained on them: {', '.join(self.releases)}. They keep what they learnt; to "
                "replace them type `tonewatch run`."
            )
        if self.kept_objects:
            lines.append(
                f"Not touched: {len(self.kept_objects)} files of a DVC cache outside this workspace, as "
                f"{self.kept_objects[0]}. Remove them there if no other workspace needs them."
            )
        lines += self._unfinished()
        if self.left and not self.dry_run:
            lines.append(
                f"Not touched: {', '.join(self.left)} holds such a text. `collect` leaves it out from "
                "now on; the file is yours to correct."
            )
        if self.unreadable:
            lines.append(f"Not searched, since they cannot be read: {', '.join(self.unreadable)}.")
        return lines

    def _unfinished(self) -> list[str]:
        """Say where something is left to do, and which trainings are."""
        lines = []
        for name, reason in self.pending.items():
            lines.append(
                f"Not finished: the DVC remote {name}. {reason} The next run, `tonewatch data verify` or "
                "`tonewatch data forget` goes on there."
            )
        if self.trainings:
            begins = "Would begin anew" if self.dry_run else "Begins anew"
            lines.append(
                f"{begins}, since tokens of texts cannot be searched: {len(self.trainings)} unfinished "
                f"trainings and searches ({', '.join(self.trainings[:3])})."
            )
        if self.store_pending:
            lines.append(
                f"Not finished: the training store. {self.store_pending} The nightly audit or "
                "`tonewatch data forget` goes on there."
            )
        return lines
