"""Forget records everywhere in a workspace: tables, journal, DVC's cache, data versions.

Tombstones are written first, and everything they cover is erased after that: so a killed call is finished by
the same call, or by any other one, and nothing comes back in between.
"""

import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline.base import logs, times
from pipeline.base.config import Workspace
from pipeline.base.documents.forgotten import HeldPlace
from pipeline.core.privacy.tombstone_form import tombstone_form
from pipeline.io.checkpoints import old_checkpoints, sweep_checkpoints
from pipeline.io.forgetting.held_files import Row, held_rows
from pipeline.io.forgetting.record import erased_in, extend_record, read_record
from pipeline.io.forgetting.stage_folders import purge_below
from pipeline.io.forgetting.tombstones import Tombstones
from pipeline.io.journal.audit_queue import AuditQueue
from pipeline.io.journal.digest_key import read_digest_key
from pipeline.io.journal.journal import Journal
from pipeline.io.locks import workspace_lock
from pipeline.io.params_file import load_params
from pipeline.io.registry.ledger import Ledger
from pipeline.io.remotes.transfer import aside_folder
from pipeline.io.versioning import held_objects
from pipeline.operations.forgetting.leftovers import files_with
from pipeline.operations.forgetting.remotes import forget_in_remotes, remotes_of
from pipeline.operations.forgetting.report import RecordsReport
from pipeline.operations.forgetting.selection import Selection
from pipeline.operations.forgetting.targets import Targets, find_targets, work_files, work_folders

Key = tuple[str, int]


def forget_records(workspace: Workspace, selection: Selection, *, dry_run: bool) -> RecordsReport:
    """Erase what is selected, and every copy of its texts; with `dry_run` only name the places.

    Data versions that held it are marked: they stay listed and cannot be restored whole. Raises WorkspaceBusy
    while a run works, Fault while another process reads the journal.
    """
    with workspace_lock(workspace.home):
        return _forget(workspace, selection, dry_run=dry_run)


def finish_forgetting(workspace: Workspace) -> None:
    """Go on where a call was killed, or where a DVC remote did not answer; the caller holds the workspace."""
    pending = read_record(workspace.root)["pending"]
    if "" in pending:
        _forget(workspace, Selection(frozenset(), (), frozenset()), dry_run=False)
    elif pending:
        covers = _Search(workspace, Selection(frozenset(), (), frozenset()), _tombstones(workspace)).covers
        forget_in_remotes(workspace.root, covers, erase=True)


def _forget(workspace: Workspace, selection: Selection, *, dry_run: bool) -> RecordsReport:
    targets = find_targets(workspace, selection)
    search = _Search(workspace, selection, _tombstones(workspace, targets))
    report = search.report()
    if not dry_run:
        search.erase(report)
        logs.get("journal").info(
            "records.forgotten", rows=sum(one["rows"] for one in report.places), ids=len(targets.ids)
        )
    remote = forget_in_remotes(workspace.root, search.covers, erase=not dry_run)
    report = report.with_remotes(remote.objects, remote.pending)
    report = replace(report, trainings=tuple(path.name for path in _trainings(workspace)))
    if not dry_run:
        # Nobody can search tokens for a text, so no training goes on from here.
        _, fault = sweep_checkpoints(workspace.checkpoints, before=math.inf, store=workspace.training_store)
        report = replace(report, store_pending=fault)
    needles = (*targets.texts, *selection.parts)
    left = files_with(workspace.root, needles)
    return report.with_left(left, dry_run=dry_run)


def _trainings(workspace: Workspace) -> list[Path]:
    """Return the folders of trainings and searches that did not end."""
    return old_checkpoints(workspace.checkpoints, before=math.inf)


def _tombstones(workspace: Workspace, targets: Targets | None = None) -> Tombstones:
    """Return the tombstones of the workspace and, not yet written, those of the targets."""
    targets = targets or Targets()
    record, key = read_record(workspace.root), read_digest_key(workspace.journal_key)
    making = Tombstones(frozenset(), frozenset(), key, tombstone_form)
    texts = {digest for text in targets.texts if (digest := making.text_digest(text))}
    ids = {making.id_digest(name) for name in targets.ids}
    return Tombstones(
        frozenset({*record["texts"], *texts}), frozenset({*record["ids"], *ids}), key, tombstone_form
    )


class _Search:
    """Find what is to be forgotten in one workspace, and erase it."""

    def __init__(self, workspace: Workspace, selection: Selection, tombstones: Tombstones) -> None:
        self._workspace, self._selection, self._tombstones = workspace, selection, tombstones
        self._root = workspace.root
        self._own_cache = held_objects.is_own_cache(self._root)
        self._keys: set[Key] = set()
        self._objects: dict[Path, list[Row]] = {}
        self._versions: list[held_objects.DataVersion] = []

    def covers(self, row: Row) -> bool:
        """Return whether a row, or a cell of a document, is to be forgotten."""
        text = row.get("text", "") or row.get("content", "")
        hit = "cell" not in row and self._selection.hits(row)
        return hit or self._tombstones.covers(row.get("id", ""), text)

    def report(self) -> RecordsReport:
        """Return its places, which versions held it and which releases were trained on those."""
        places, unreadable = [], []
        for path in work_files(self._root):
            try:
                rows = list(held_rows(path, self.covers))
            except (OSError, ValueError):
                unreadable.append(self._name(path))
                continue
            if rows:
                places.append(HeldPlace(place=self._name(path), rows=len(rows)))
        places += self._journal_places()
        self._objects, unsearched = held_objects.held_objects(self._root, self.covers)
        places += self._version_places(unreadable)
        releases = self._releases()
        places += self._learnt(releases)
        return RecordsReport(
            places=tuple(one for one in places if one["rows"]),
            objects=len(self._objects),
            versions=tuple(version.name for version in self._versions),
            releases=tuple(sorted(releases)),
            unreadable=(*unreadable, *map(self._name, unsearched)),
            kept_objects=() if self._own_cache else tuple(map(self._name, self._objects)),
        )

    def erase(self, report: RecordsReport) -> None:
        """Write the tombstones and marks, then erase: the journal, tables, and last the cache."""
        extend_record(
            self._root,
            texts=self._tombstones.texts,
            ids=self._tombstones.ids,
            versions=report.versions,
            releases=report.releases,
            pending=("", *remotes_of(self._root)),
            time=times.format_seconds(datetime.now(UTC)),
        )
        if self._keys:
            days = load_params(self._workspace.params).serve.journal.retention_days
            journal = Journal(self._workspace.journal, retention_days=days)
            try:
                journal.erase(self._keys)
            finally:
                journal.close()
        for version in self._versions:
            held_objects.keep_remains(self._root, version, self.covers)
        for folder in work_folders(self._root):
            purge_below(folder, self.covers)
        if self._own_cache:
            held_objects.remove_objects(self._objects)
        # Nobody can tell what is in the one; the other is written anew when it is asked for.
        shutil.rmtree(aside_folder(self._root), ignore_errors=True)
        if report.places:
            held_objects.remove_objects(self._workspace.reports.glob("*.html"))
        erased_in(self._root, "")

    def _journal_places(self) -> list[HeldPlace]:
        journal = Journal.reading(self._workspace.journal)
        self._keys = {
            (entry.request, entry.position)
            for entry in journal.predictions("", "9999")
            if self._selection.hits_entry(entry) or self._tombstones.covers_text(entry.text)
        }
        # Feedback outlives its prediction nowhere, but a client's own label may come from another client.
        labels = [one for one in journal.labels() if one.client in self._selection.subjects]
        predictions = len(self._keys)
        self._keys |= {(one.request, one.position) for one in labels}
        feedback = sum((one.request, one.position) in self._keys for one in journal.labels())
        drawn = AuditQueue(self._workspace.journal).all_drawn()
        audited = sum((one.request, one.position) in self._keys for one in drawn)
        return [
            HeldPlace(place="journal", rows=predictions),
            HeldPlace(place="feedback", rows=feedback),
            HeldPlace(place="audit queue", rows=audited),
        ]

    def _version_places(self, unreadable: list[str]) -> list[HeldPlace]:
        """Return the files of data versions that hold it; such a version is marked."""
        rows = {held_objects.object_name(path): len(found) for path, found in self._objects.items()}
        places: list[HeldPlace] = []
        for version in held_objects.versions_of(self._root):
            held = held_objects.version_files(self._root, version)
            if held is None:
                unreadable.append(version.name)
                continue
            found = [
                HeldPlace(place=f"{version.name} ({one.path})", rows=rows[one.md5])
                for one in held
                if one.md5 in rows
            ]
            if found:
                self._versions.append(version)
                places += found
        return places

    def _releases(self) -> dict[str, str]:
        names = {version.name for version in self._versions}
        return {
            release.name: release.record["data_version"]
            for release in Ledger(self._workspace.ledger).releases()
            if release.record["data_version"] in names
        }

    def _learnt(self, releases: dict[str, str]) -> Sequence[HeldPlace]:
        """Return what the champion learnt from, which the split keeps apart from new test texts."""
        champion = Ledger(self._workspace.ledger).champion()
        if champion not in releases:
            return ()
        held = held_objects.version_files(
            self._root, next(one for one in self._versions if one.name == releases[champion])
        )
        rows = {held_objects.object_name(path): len(found) for path, found in self._objects.items()}
        learnt = ("data/splits/train.parquet", "data/splits/valid.parquet")
        number = sum(rows.get(one.md5, 0) for one in held or () if one.path in learnt)
        return [HeldPlace(place=f"learnt texts of {champion}", rows=number)]

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._root) if path.is_relative_to(self._root) else path)
