"""Remove what no kept release and no kept data version needs: models, cache, checkpoints, leftovers."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypedDict

from pipeline.base import logs
from pipeline.base.config import Workspace
from pipeline.base.digests import json_digest
from pipeline.base.documents import ReleaseRecord
from pipeline.base.errors import ChampionChanged
from pipeline.base.times import parse_time
from pipeline.io import checkpoints, files
from pipeline.io.locks import workspace_lock
from pipeline.io.params_file import load_params
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.mlflow_models import NAME, candidate_digest
from pipeline.io.registry.mlflow_prune import unused_runs
from pipeline.io.registry.open_registry import open_registry
from pipeline.io.removal import Removal
from pipeline.io.versioning import data_branch
from pipeline.io.versioning.cache_prune import unused_objects
from pipeline.monitoring.windows.files import load_window, window_paths
from pipeline.release.judge import read_lock
from pipeline.release.register import candidate_digests

log = logs.get("prune")
SHA256 = re.compile(r"\b[0-9a-f]{64}\b")


class RemovedRecord(TypedDict):
    """One thing that was, or would be, removed; `bytes` is 0 where a store does not say."""

    kind: str
    name: str
    bytes: int


class PruneResult(TypedDict):
    """What was removed, or would be with `dry_run`, and the releases and data versions that were kept."""

    dry_run: bool
    releases: list[str]
    data_versions: list[str]
    removed: list[RemovedRecord]
    bytes: int


def prune(workspace: Workspace, *, keep: int, dry_run: bool) -> PruneResult:
    """Remove what neither the kept releases nor the kept data versions need.

    Kept are the champion, the release before it, those that wait for approval, the `keep` newest releases,
    the `keep` that served last, the `keep` newest data versions, and those of the kept releases. A killed
    call leaves all of these whole, and the next one removes the rest. Raises WorkspaceBusy while a run works.
    """
    with workspace_lock(workspace.home):
        releases = needed_releases(workspace, keep)
        versions = _needed_versions(workspace, releases, keep)
        ledger = Ledger(workspace.ledger)
        last = ledger.last_move()
        removals = list(_removals(workspace, releases, versions))
        for removal in () if dry_run else removals:
            # A rollback does not wait for this lock: what it needs must not go.
            if ledger.last_move() != last:
                raise ChampionChanged("The champion changed meanwhile. Type the same again for the rest.")
            removal.act()
            log.info("prune.removed", kind=removal.kind, name=removal.name, bytes=removal.bytes)
    return {
        "dry_run": dry_run,
        "releases": [release["release"] for release in releases],
        "data_versions": [version.name for version in versions],
        "removed": [{"kind": one.kind, "name": one.name, "bytes": one.bytes} for one in removals],
        "bytes": sum(one.bytes for one in removals),
    }


def needed_releases(workspace: Workspace, keep: int) -> list[ReleaseRecord]:
    """Return the releases that `prune` keeps whole, oldest first."""
    ledger = Ledger(workspace.ledger)
    releases, moves = [release.record for release in ledger.releases()], ledger.moves()
    served = list(dict.fromkeys(move.target for move in reversed(moves)))
    newest = [release["release"] for release in releases[-keep:]]
    last = moves[-1] if moves else None
    kept = {*newest, *served[:keep], *((last.target, last.origin) if last else ())}
    return [
        release
        for release in releases
        if release["release"] in kept or _waits(ledger, release, served, last.target if last else None)
    ]


def _waits(ledger: Ledger, release: ReleaseRecord, served: list[str], champion: str | None) -> bool:
    name = release["release"]
    return (
        release["decision"]["accepted"]
        and release["approval"] == "human"
        and release["champion"] == champion
        and name not in served
        and ledger.approval(name) is None
    )


def _needed_versions(
    workspace: Workspace, releases: list[ReleaseRecord], keep: int
) -> list[data_branch.DataVersion]:
    used = {release["data_version"] for release in releases} | {load_params(workspace.params).data.version}
    versions = data_branch.list_versions(workspace.root)
    return [version for number, version in enumerate(versions) if number < keep or version.name in used]


def _removals(
    workspace: Workspace, releases: list[ReleaseRecord], versions: list[data_branch.DataVersion]
) -> Iterator[Removal]:
    root, names = workspace.root, {release["release"] for release in releases}
    registry = open_registry(workspace)
    own = None
    if registry.name == NAME and not workspace.mlflow_embedded:
        # Before workspaces had a name of their own, all of them registered under this one.
        own = {candidate_digest(release.record) for release in Ledger(workspace.ledger).releases()}
    yield from unused_runs(workspace.mlflow, registry.name, _needed_digests(workspace, releases), own=own)
    yield from _numbered("release copy", workspace.releases, root, names)
    yield from _numbered("report", workspace.reports, root, names)
    locks = [*(release["lock"] for release in releases), read_lock(workspace)]
    locks += [data_branch.lock_of(root, version) for version in versions]
    yield from unused_objects(root, filter(None, locks))
    yield from _checkpoints(workspace)
    yield from _windows(workspace)
    yield from _downloads(workspace, releases)
    yield from _leftovers(workspace)


def _needed_digests(workspace: Workspace, releases: list[ReleaseRecord]) -> set[str]:
    digests = {candidate_digest(release) for release in releases}
    if (workspace.root / "data" / "candidate" / files.RECEIPT).is_file():
        # A killed run registered it, and the next one judges it.
        digests.add(json_digest(candidate_digests(workspace)))
    return digests


def _numbered(kind: str, folder: Path, root: Path, names: set[str]) -> Iterator[Removal]:
    """Remove what is named by a release that is not kept."""
    for path in sorted(folder.glob("R*")):
        if re.fullmatch(r"R\d+", path.stem) and path.stem not in names:
            yield Removal.of_path(kind, path, root)


def _checkpoints(workspace: Workspace) -> Iterator[Removal]:
    days = load_params(workspace.params).schedule.keep_checkpoints_days
    before = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    for folder in checkpoints.old_checkpoints(workspace.checkpoints, before=before):
        yield Removal.of_path("checkpoint", folder, workspace.root)


def _windows(workspace: Workspace) -> Iterator[Removal]:
    """Remove windows that the dashboard does not show, and that ended before the last move."""
    shown = load_params(workspace.params).serve.dashboard.shown_windows
    last = Ledger(workspace.ledger).last_move()
    for path in window_paths(workspace)[:-shown]:
        try:
            end = parse_time(load_window(path)["window"]["end"])
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            continue  # a file that is no report is left to a person
        if last and end < parse_time(last.time):
            yield Removal.of_path("window", path, workspace.root)


def _downloads(workspace: Workspace, releases: list[ReleaseRecord]) -> Iterator[Removal]:
    texts = [workspace.params.read_text("utf-8"), *(release["params"] for release in releases)]
    pinned = {digest for text in texts for digest in SHA256.findall(text)}
    for path in sorted(workspace.downloads.glob("*")):
        digest = SHA256.match(path.name)
        if digest and digest.group() not in pinned:
            yield Removal.of_path("download", path, workspace.root)


def _leftovers(workspace: Workspace) -> Iterator[Removal]:
    """Remove the staging folders of killed writers; nobody else writes while this holds the workspace."""
    for folder in (workspace.root / "data", workspace.releases, workspace.checkpoints):
        for path in sorted(folder.glob(".*.staging-*")):
            yield Removal.of_path("leftover", path, workspace.root)
