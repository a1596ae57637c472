"""What is installed, reachable and unfinished: one look at everything a workspace stands on, in which nothing is changed."""

import functools
import importlib.metadata
import os
import platform
import shutil
import stat
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.base.config import Workspace
from pipeline.base.errors import TonewatchError
from pipeline.io import alerts, locks
from pipeline.io.params_file import load_params
from pipeline.io.registry.ledger import Ledger

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
LEAST_FREE = 5 * 10**9  # bytes; a run of the default line leaves about one
CLOCK_SECONDS = 60.0
PATIENCE_SECONDS = 3.0


@dataclass(frozen=True)
class Check:
    """Say how one thing stands, and what to type if it does not."""

    name: str
    ok: bool
    told: str
    do: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Give plain values."""
        return {"name": self.name, "ok": self.ok, "told": self.told, "do": self.do}


def examine(workspace: Workspace, environment: dict[str, str]) -> dict[str, Any]:
    """Look at versions, places, reachability, locks, unfinished moves, disk, keys and clock; gives them all, sound or not."""
    asked = functools.partial(_prefect, environment.get("PREFECT_API_URL"))
    looks: dict[str, Callable[[Workspace], Check]] = {**LOOKS, "prefect": asked}
    checks = [_tried(name, look, workspace) for name, look in looks.items()]
    return {
        "ok": all(check.ok for check in checks),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "places": {
            **_workspace(workspace),
            "prefect": environment.get("PREFECT_API_URL"),
            "ray": environment.get("RAY_ADDRESS"),
        },
        "checks": [check.as_dict() for check in checks],
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _workspace(workspace: Workspace) -> dict[str, str]:
    return {
        "workspace": str(workspace.root),
        "mlflow": without_password(workspace.mlflow),
        "ledger": without_password(workspace.ledger),
        "journal": str(workspace.journal),
        "keys": str(workspace.keys),
        "alerts": str(workspace.alerts),
    }


def without_password(address: str) -> str:
    """Give an address without the password it may hold."""
    scheme, found, rest = address.partition("://")
    user, at, host = rest.rpartition("@")
    return f"{scheme}{found}{user.partition(':')[0]}:***@{host}" if at and ":" in user else address


def _tried(name: str, look: Callable[[Workspace], Check], workspace: Workspace) -> Check:
    try:
        return look(workspace)
    except TonewatchError as error:
        return Check(name, ok=False, told=str(error))
    except Exception as error:  # whatever is broken, the rest is still looked at
        return Check(
            name,
            ok=False,
            told=f"{type(error).__name__}: {error}",
            do="Add `--debug` to the command that needs it.",
        )


def _params(workspace: Workspace) -> Check:
    load_params(workspace.params)
    return Check("params", ok=True, told=f"{workspace.params} is valid")


def _git(workspace: Workspace) -> Check:
    from pipeline.io.versioning.git import ensure_git_and_dvc

    ensure_git_and_dvc(workspace.root)
    return Check("git and DVC", ok=True, told="the workspace is the root of a repository and knows DVC")


def _ledger(workspace: Workspace) -> Check:
    ledger = Ledger(workspace.ledger)
    if faults := ledger.faults():
        return Check(
            "ledger",
            ok=False,
            told=" ".join(faults),
            do="Restore it from a backup; see `tonewatch release verify`.",
        )
    return Check(
        "ledger", ok=True, told=f"{len(ledger.moves())} moves, in service: {ledger.current() or 'none'}"
    )


def _mlflow(workspace: Workspace) -> Check:
    from pipeline.io.registry.mlflow_models import ModelRegistry

    aliases = ModelRegistry(workspace.mlflow).aliases()
    return Check(
        "mlflow",
        ok=True,
        told=", ".join(f"{name} = version {version}" for name, version in sorted(aliases.items()))
        or "no alias",
    )


def _prefect(address: str | None, _workspace: Workspace) -> Check:
    if address is None:
        return Check("prefect", ok=True, told="its server is started when it is needed")
    try:
        with urllib.request.urlopen(f"{address.rstrip('/')}/health", timeout=PATIENCE_SECONDS):
            return Check("prefect", ok=True, told=f"{without_password(address)} answers")
    except OSError:
        return Check(
            "prefect",
            ok=False,
            told=f"{without_password(address)} does not answer",
            do="Start it, or unset PREFECT_API_URL.",
        )


def _alerts(workspace: Workspace) -> Check:
    waiting = [entry for entry in alerts.list_outbox(workspace.alerts) if entry.waiting]
    if waiting:
        return Check(
            "alerts",
            ok=False,
            told=f"{len(waiting)} wait for a sink that did not take them",
            do="Look at TONEWATCH_ALERTS.",
        )
    return Check("alerts", ok=True, told="none waits to be told")


def _moves(workspace: Workspace) -> Check:
    from pipeline.release import reconcile

    if reconcile.is_behind(workspace):
        return Check(
            "moves",
            ok=False,
            told="the last move was not followed to its end here",
            do="Type `tonewatch release reconcile`.",
        )
    return Check("moves", ok=True, told="none is unfinished")


def _copy(workspace: Workspace) -> Check:
    from pipeline.io.registry import release_files

    ledger = Ledger(workspace.ledger)
    if (name := ledger.current()) is None:
        return Check("copy", ok=True, told="nothing is in service")
    if release_files.copy_is_intact(workspace, ledger.get(name).document):
        return Check("copy", ok=True, told=f"the local copy of {name} is whole")
    return Check(
        "copy",
        ok=False,
        told=f"the local copy of {name} is missing or changed",
        do="Type `tonewatch release reconcile`.",
    )


def _lock(workspace: Workspace) -> Check:
    holder = locks.lock_holder(workspace.home)
    return Check(
        "lock", ok=True, told=f"process {holder} works here now" if holder else "nobody works here now"
    )


def _disk(workspace: Workspace) -> Check:
    free = shutil.disk_usage(workspace.root).free
    told = f"{free / 1e9:.1f} GB are free at {workspace.root}"
    return Check(
        "disk",
        free >= LEAST_FREE,
        told,
        "" if free >= LEAST_FREE else f"Free some space: below {LEAST_FREE / 1e9:.0f} GB a run may fail.",
    )


def _keys(workspace: Workspace) -> Check:
    if not workspace.keys.exists():
        return Check("keys", ok=True, told="there are none, so the service binds to loopback only")
    mode = stat.S_IMODE(workspace.keys.stat().st_mode)
    if mode & 0o077:
        return Check(
            "keys",
            ok=False,
            told=f"{workspace.keys} can be read by others ({mode:03o})",
            do=f"Type `chmod 600 {workspace.keys}`.",
        )
    return Check("keys", ok=True, told=f"{workspace.keys} is its owner's alone")


def _clock(workspace: Workspace) -> Check:
    """Compare the clock with that of the disk: the file just touched tells the time of whoever keeps it."""
    workspace.home.mkdir(parents=True, exist_ok=True)
    probe = workspace.home / f".clock-{os.getpid()}"
    try:
        probe.touch()
        apart = abs(probe.stat().st_mtime - time.time())
    finally:
        probe.unlink(missing_ok=True)
    newest = max(_times(workspace), default=0.0)
    ahead = newest - time.time()
    if apart > CLOCK_SECONDS or ahead > CLOCK_SECONDS:
        return Check(
            "clock",
            ok=False,
            told=f"the clock is {max(apart, ahead):.0f} s behind what was written here",
            do="Set the clock (NTP).",
        )
    return Check("clock", ok=True, told="agrees with what was written here")


def _times(workspace: Workspace) -> Iterator[float]:
    for move in Ledger(workspace.ledger).moves()[-1:]:
        yield time.mktime(time.strptime(move.time, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone


LOOKS: dict[str, Callable[[Workspace], Check]] = {
    "params": _params,
    "git and DVC": _git,
    "ledger": _ledger,
    "mlflow": _mlflow,
    "moves": _moves,
    "copy": _copy,
    "lock": _lock,
    "disk": _disk,
    "keys": _keys,
    "alerts": _alerts,
    "clock": _clock,
}
