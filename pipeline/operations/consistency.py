"""Checks of doctor that compare what is stored in several places: ledger, MLflow, DVC, git, journal."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipeline.base import times
from pipeline.base.config import Workspace
from pipeline.io.forgetting.record import read_record
from pipeline.io.journal.journal import Journal
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.mlflow_models import candidate_digest
from pipeline.io.registry.open_registry import open_registry
from pipeline.io.workspace_id import own_id_command, workspace_identity
from pipeline.release import reconcile

RECONCILE = "Type `tonewatch release reconcile`."
JOURNAL_DAYS = 1


@dataclass(frozen=True)
class Finding:
    """The outcome of one check: what was found, and what to do if it is not ok."""

    ok: bool
    message: str
    action: str = ""


def check_place(workspace: Workspace) -> Finding:
    """Check that the workspace can be written, and name it."""
    writable = all(os.access(path, os.W_OK) for path in (workspace.root, workspace.home) if path.exists())
    if not writable:
        message = f"{workspace.root} cannot be written by this user, so it can only be read"
        return Finding(False, message, "Change its owner or rights, or mount it writable.")
    identity = workspace_identity(workspace)
    copied = f", a copy of {identity.former[-1][:6]}" if identity.former else ""
    if copied and identity.copied_from:
        copied += f" from {identity.copied_from}"
    if identity.came_from:
        copied += (
            f"; it came from {identity.came_from}. If that one is still in use, this is a copy: "
            f"type `{own_id_command(workspace)}`"
        )
    return Finding(True, f"workspace {identity.id[:6]} of {identity.created}{copied}")


def check_moves(workspace: Workspace) -> Finding:
    """Check that the ledger continues the moves that were applied here, and that none is unfinished."""
    moves = Ledger(workspace.ledger).moves()
    if fault := reconcile.ledger_fault(workspace, moves):
        return Finding(False, fault)
    if reconcile.is_behind(workspace, moves):
        return Finding(False, "this workspace does not follow the last move yet", RECONCILE)
    return Finding(True, "none is unfinished")


def check_aliases(workspace: Workspace) -> Finding:
    """Check that MLflow's aliases name the versions of the ledger's champion and of the one before."""
    return _difference(workspace, "aliases", "MLflow agrees with the ledger")


def check_experiment(workspace: Workspace) -> Finding:
    """Check that nobody deleted the experiment, or the runs of the releases in service."""
    registry = open_registry(workspace)
    state = registry.experiment_state()
    if state == "deleted":
        message = f"the experiment {registry.name} was deleted"
        return Finding(False, message, "`tonewatch run` restores it; MLflow's page does too.")
    ledger = Ledger(workspace.ledger)
    for name in filter(None, (ledger.champion(), ledger.previous())):
        record = ledger.get(name).record
        version = registry.version_of(candidate_digest(record), record["model_version"])
        if version and registry.run_state(version) != "active":
            action = "Restore it in MLflow's page; `tonewatch release reconcile` needs no run."
            return Finding(False, f"the run of {name} (version {version}) was deleted", action)
    return Finding(True, f"the experiment {registry.name} is {state or 'created by the first run'}")


def check_data(workspace: Workspace) -> Finding:
    """Check that dvc.lock and the data are the champion's, and that the cache holds all of them unchanged."""
    from pipeline.io.versioning.data_branch import faulty_objects

    finding = _difference(workspace, "data", "the data are those of the champion, or of a waiting candidate")
    champion = Ledger(workspace.ledger).champion()
    if not finding.ok or champion is None:
        return finding
    record = Ledger(workspace.ledger).get(champion).record
    lock = record["lock"]
    if time := read_record(workspace.root)["versions"].get(record["data_version"]):
        message = f"the data of {champion} ({record['data_version']}) are not whole: texts were forgotten on "
        return Finding(True, message + time[:10])
    if lock and (faulty := faulty_objects(workspace.root, lock)):
        message = f"{len(faulty)} objects of the champion's data are missing from the DVC cache or changed"
        action = f"Remove {faulty[0]} if it is there, then type `tonewatch release reconcile`."
        return Finding(False, message, action)
    return finding


def check_previous(workspace: Workspace) -> Finding:
    """Check that a rollback to the release before the champion has a model to serve."""
    ledger = Ledger(workspace.ledger)
    if (name := ledger.previous()) is None:
        return Finding(True, "there is nothing to roll back to yet")
    record = ledger.get(name).record
    version = open_registry(workspace).version_of(candidate_digest(record), record["model_version"])
    if version is None and not release_files.copy_is_intact(workspace, record):
        message = f"the model of {name} is neither in {workspace.releases} nor in MLflow"
        return Finding(False, message, f"Restore {workspace.releases / name} from a backup.")
    return Finding(True, f"{name} can be rolled back to")


def check_data_versions(workspace: Workspace) -> Finding:
    """Check the data branch: its history, its tags, and that of the git remote."""
    from pipeline.io.versioning.branch_history import branch_faults

    faults = branch_faults(workspace.root)
    return Finding(not faults, " ".join(faults) or "branch and tags agree")


def check_remotes(workspace: Workspace) -> Finding:
    """Check that the DVC remotes answer, hold the newest data version unchanged, and owe nothing."""
    from pipeline.io.remotes.settings import remote_names
    from pipeline.operations.data.remotes import remote_faults

    names = remote_names(workspace.root)
    if owed := read_record(workspace.root)["pending"]:
        message = f"forgetting is not finished in {', '.join(name or 'the workspace' for name in owed)}"
        return Finding(False, message, "Type `tonewatch data verify` once it answers.")
    if not names:
        return Finding(True, "there is none: the data versions are in this workspace alone")
    faults = remote_faults(workspace.root)
    return Finding(not faults, " ".join(faults) or f"{', '.join(names)}: unchanged")


def check_journal(workspace: Workspace) -> Finding:
    """Check that the releases which the journal names in its last day are those of the ledger."""
    now = datetime.now(UTC)
    start = times.format_micros(now - timedelta(days=JOURNAL_DAYS))
    served = Journal.reading(workspace.journal).releases(start, times.format_micros(now))
    known = {
        (release.name, release.record["data_version"]) for release in Ledger(workspace.ledger).releases()
    }
    unknown = sorted({" on ".join(pair) for pair in served - known})
    if unknown:
        message = f"the journal holds predictions of {', '.join(unknown)}, which the ledger does not have"
        return Finding(False, message, "Check TONEWATCH_LEDGER, or restore the ledger from a newer backup.")
    return Finding(True, "its releases are those of the ledger")


def _difference(workspace: Workspace, projection: str, agreed: str) -> Finding:
    sentence = reconcile.difference(workspace, projection)
    return Finding(sentence is None, sentence or agreed, RECONCILE if sentence else "")


CONSISTENCY = {
    "place": check_place,
    "moves": check_moves,
    "aliases": check_aliases,
    "experiment": check_experiment,
    "previous": check_previous,
    "data": check_data,
    "data versions": check_data_versions,
    "remotes": check_remotes,
    "journal": check_journal,
}
