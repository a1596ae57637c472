"""Diagnose a workspace: versions, places, and a check of each thing it depends on; nothing is changed."""

import contextlib
import importlib.metadata
import platform
import shutil
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

from pipeline.base import times
from pipeline.base.config import Workspace
from pipeline.base.errors import TonewatchError
from pipeline.base.secrets import scrub
from pipeline.io import alerts, locks
from pipeline.io.file_access import exposure, is_shared
from pipeline.io.params_file import load_params
from pipeline.io.registry.ledger import Ledger
from pipeline.operations.consistency import CONSISTENCY, RECONCILE, Finding

PACKAGES = (
    "tonewatch",
    "prefect",
    "mlflow",
    "ray",
    "dvc",
    "great-expectations",
    "torch",
    "transformers",
    "onnxruntime",
    "fastapi",
)
MIN_FREE_BYTES = 5 * 10**9  # a run on the default data writes about one billion
MAX_CLOCK_SECONDS = 60.0
HEALTH_TIMEOUT_SECONDS = 3.0


class CheckRecord(TypedDict):
    """A finding with the name of its check."""

    name: str
    ok: bool
    message: str
    action: str


class Diagnosis(TypedDict):
    """All findings; `versions` of missing packages and unset `places` are None."""

    ok: bool
    python: str
    versions: dict[str, str | None]
    places: dict[str, str | None]
    checks: list[CheckRecord]


def diagnose(workspace: Workspace, environment: dict[str, str]) -> Diagnosis:
    """Run every check, also after one has failed; passwords in addresses are masked."""
    prefect = environment.get("PREFECT_API_URL")
    findings = {name: _run(check, workspace) for name, check in CHECKS.items()}
    findings["prefect"] = _prefect(prefect)
    return {
        "ok": all(finding.ok for finding in findings.values()),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "places": {
            "workspace": str(workspace.root),
            "mlflow": mask_password(workspace.mlflow),
            "ledger": mask_password(workspace.ledger),
            "journal": str(workspace.journal),
            "keys": str(workspace.keys),
            "alerts": str(workspace.alerts),
            "prefect": mask_password(prefect) if prefect else None,
            "ray": environment.get("RAY_ADDRESS"),
        },
        "checks": [
            {"name": name, "ok": finding.ok, "message": finding.message, "action": finding.action}
            for name, finding in findings.items()
        ],
    }


def mask_password(address: str) -> str:
    """Return an address with its password, if any, replaced by `***`."""
    scheme, separator, rest = address.partition("://")
    user, at, host = rest.rpartition("@")
    return f"{scheme}{separator}{user.partition(':')[0]}:***@{host}" if at and ":" in user else address


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _run(check: Callable[[Workspace], Finding], workspace: Workspace) -> Finding:
    try:
        return check(workspace)
    except TonewatchError as error:
        return Finding(False, str(error))
    except Exception as error:  # whatever is broken, the other checks still run
        action = "Add `--debug` to the command that needs it."
        return Finding(False, scrub(f"{type(error).__name__}: {error}"), action)


def _params(workspace: Workspace) -> Finding:
    load_params(workspace.params)
    return Finding(True, f"{workspace.params} is valid")


def _git(workspace: Workspace) -> Finding:
    from pipeline.io.versioning.git import ensure_git_and_dvc

    ensure_git_and_dvc(workspace.root)
    return Finding(True, "the workspace is the root of a git repository with DVC")


def _ledger(workspace: Workspace) -> Finding:
    ledger = Ledger(workspace.ledger)
    if faults := ledger.faults():
        action = "Restore it from a backup; see `tonewatch release verify`."
        return Finding(False, " ".join(faults), action)
    return Finding(True, f"{len(ledger.moves())} moves, champion: {ledger.champion() or 'none'}")


def _mlflow(workspace: Workspace) -> Finding:
    from pipeline.io.registry.open_registry import open_registry

    registry = open_registry(workspace)
    aliases = sorted(registry.aliases().items())
    shown = ", ".join(f"{name} = version {number}" for name, number in aliases) or "no alias"
    return Finding(True, f"model {registry.name}: {shown}")


def _prefect(address: str | None) -> Finding:
    if address is None:
        return Finding(True, "a server is started when it is needed")
    shown = mask_password(address)
    try:
        with urllib.request.urlopen(f"{address.rstrip('/')}/health", timeout=HEALTH_TIMEOUT_SECONDS):
            return Finding(True, f"{shown} responds")
    except OSError:
        return Finding(False, f"{shown} does not respond", "Start it, or unset PREFECT_API_URL.")


def _alerts(workspace: Workspace) -> Finding:
    waiting = [entry for entry in alerts.list_outbox(workspace.alerts) if entry.waiting]
    if waiting:
        return Finding(False, f"{len(waiting)} are not delivered yet", "Check TONEWATCH_ALERTS.")
    return Finding(True, "all are delivered")


def _copy(workspace: Workspace) -> Finding:
    from pipeline.io.registry import release_files

    ledger = Ledger(workspace.ledger)
    if (name := ledger.champion()) is None:
        return Finding(True, "no release is in service")
    if release_files.copy_is_intact(workspace, ledger.get(name).record):
        return Finding(True, f"the local copy of {name} is intact")
    return Finding(False, f"the local copy of {name} is missing or changed", RECONCILE)


def _lock(workspace: Workspace) -> Finding:
    holder = locks.lock_holder(workspace.home)
    return Finding(True, f"process {holder} is working here" if holder else "no process is working here")


def _disk(workspace: Workspace) -> Finding:
    free = shutil.disk_usage(workspace.root).free
    message = f"{free / 1e9:.1f} GB are free at {workspace.root}"
    if free < MIN_FREE_BYTES:
        action = f"Free some space: below {MIN_FREE_BYTES / 1e9:.0f} GB a run may fail."
        return Finding(False, message, action)
    return Finding(True, message)


def _keys(workspace: Workspace) -> Finding:
    if not workspace.keys.exists():
        return Finding(True, "there are none; `tonewatch serve` makes one for this machine")
    message, action = exposure(workspace.keys)
    if message:
        return Finding(False, message, action)
    readers = "its owner and the group of the workspace" if is_shared(workspace.home) else "its owner"
    return Finding(True, f"{workspace.keys} is readable only by {readers}")


def _clock(workspace: Workspace) -> Finding:
    """Compare the clock with the file system's, which may be another machine's, and with the last move."""
    offset = 0.0
    with contextlib.suppress(OSError):  # a workspace that this user can only read
        workspace.home.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(prefix=".clock-", dir=workspace.home) as probe:
            offset = abs(Path(probe.name).stat().st_mtime - time.time())
    moves = Ledger(workspace.ledger).moves()
    ahead = times.parse_time(moves[-1].time).timestamp() - time.time() if moves else 0.0
    if max(offset, ahead) > MAX_CLOCK_SECONDS:
        message = f"the clock is {max(offset, ahead):.0f} s behind what was written here"
        return Finding(False, message, "Set the clock (NTP).")
    return Finding(True, "agrees with what was written here")


def _environment(_: Workspace) -> Finding:
    from pipeline.io.security.environment import unknown_startup_code

    if paths := unknown_startup_code():
        message = f"code of unknown origin runs at each start of Python: {', '.join(map(str, paths))}"
        return Finding(False, message, "Read it; unless you put it there, remove .venv and type `make`.")
    return Finding(True, "no code of unknown origin runs at the start of Python")


CHECKS: dict[str, Callable[[Workspace], Finding]] = {
    "params": _params,
    "git and DVC": _git,
    "ledger": _ledger,
    "mlflow": _mlflow,
    "copy": _copy,
    "lock": _lock,
    "disk": _disk,
    "keys": _keys,
    "alerts": _alerts,
    "clock": _clock,
    "environment": _environment,
    **CONSISTENCY,
}
