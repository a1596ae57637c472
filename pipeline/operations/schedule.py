"""The rules of scheduled runs: one at a time of a kind, none twice, and one for all that were missed.

schedule/retrain.json     the last run of that kind: when it was due and began, and the due times before it
schedule/retrain.lock     locked by the run in progress
schedule/runs/<id>.json   locked by the process of a run while it lives, so that a dead run is recognized
"""

import contextlib
import fcntl
import json
import os
import traceback
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from pipeline.base import logs, times
from pipeline.base.config import Workspace
from pipeline.base.errors import TonewatchError
from pipeline.base.records import Alert
from pipeline.core.monitor import quiet_period
from pipeline.io import alerts, files, locks
from pipeline.io.params_file import load_params

log = logs.get("schedule")
DUES_KEPT = 200
# What to type to start a run of a kind by hand, where it is not the name of the kind.
COMMANDS = {"retrain": "run", "audit": "release verify"}
# Locks of runs that this process began; only its end frees them, since Prefect reports a run's end later.
_RUN_LOCKS: list[int] = []


@dataclass(frozen=True)
class LastRun:
    """Hold the last run of a kind: number, id, when it was due and began (UTC, microseconds)."""

    sequence: int = 0
    run: str = ""
    due: str = ""
    began: str = ""
    dues: tuple[str, ...] = ()


def folder(workspace: Workspace) -> Path:
    """Return the folder in which the schedule keeps its state."""
    return workspace.home / "schedule"


def skip_reason(last: LastRun, *, run: str, due: str, now: str) -> str | None:
    """Return why a run is to be skipped, None when it is due.

    A clock that was set back does not stop the schedule: a last run that began in the future is ignored.
    """
    if run == last.run:
        return None
    if due in last.dues:
        return f"The run due at {due} was started before."
    if last.began <= now and due <= last.began:
        return f"Missed: it was due at {due}, and the run that began at {last.began} covers it."
    return None


@contextlib.contextmanager
def take_turn(
    workspace: Workspace, kind: str, *, run: str, due: datetime, now: datetime
) -> Iterator[str | None]:
    """Take the turn of a run until the block or the process ends; yield None, or why the run is skipped."""
    from filelock import FileLock, Timeout

    due_text, began = times.format_micros(due), times.format_micros(now)
    _lock_run(workspace, run, {"kind": kind, "due": due_text, "began": began, "pid": os.getpid()})
    lock = FileLock(folder(workspace) / f"{kind}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield f"Another {kind} is in progress: {last_run(workspace, kind).run or 'it has just begun'}."
        return
    try:
        last = last_run(workspace, kind)
        reason = skip_reason(last, run=run, due=due_text, now=began)
        if reason is None:
            dues = tuple(dict.fromkeys((*last.dues, due_text)))[-DUES_KEPT:]
            begun = LastRun(last.sequence + 1, run, due_text, began, dues)
            files.write_json(folder(workspace) / f"{kind}.json", asdict(begun))
        yield reason
    finally:
        lock.release()


def last_run(workspace: Workspace, kind: str) -> LastRun:
    """Return the last run of a kind; an unreadable file counts as none."""
    try:
        fields = files.read_json(folder(workspace) / f"{kind}.json")
        return LastRun(**{**fields, "dues": tuple(fields["dues"])})
    except (OSError, ValueError, TypeError, KeyError):
        return LastRun()


def _lock_run(workspace: Workspace, run: str, content: dict[str, str | int]) -> None:
    path = folder(workspace) / "runs" / f"{run}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Locked before it gets its name: while the run lives nobody finds the file unlocked.
    temporary = path.with_suffix(f".{os.getpid()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o660)
    fcntl.flock(handle, fcntl.LOCK_EX)
    os.write(handle, json.dumps(content).encode())
    temporary.rename(path)
    _RUN_LOCKS.append(handle)


def run_is_alive(workspace: Workspace, run: str) -> bool | None:
    """Return whether the process of a run lives; None when no process on this machine has claimed it."""
    try:
        handle = os.open(folder(workspace) / "runs" / f"{run}.json", os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def forget_ended_runs(workspace: Workspace, *, keep: Collection[str]) -> None:
    """Remove the files of runs whose processes have ended, except those in `keep`."""
    for path in (folder(workspace) / "runs").glob("*.json"):
        if path.stem not in keep and run_is_alive(workspace, path.stem) is False:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def single_schedule(workspace: Workspace) -> Iterator[None]:
    """Be the only schedule of a workspace for the block.

    Raises WorkspaceBusy where another one runs.
    """
    folder(workspace).mkdir(parents=True, exist_ok=True)
    message = (
        f"Process {{pid}} runs the schedule of {workspace.root} already. "
        "End it with `kill {pid}`, then type the same again."
    )
    with locks.exclusive_lock(folder(workspace) / "schedule", message):
        yield


def raise_and_send(workspace: Workspace, candidates: Sequence[Alert], *, now: datetime) -> list[Alert]:
    """Raise the alerts that are not in their quiet period, deliver the outbox, and return the raised ones."""
    past = [entry.alert for entry in alerts.list_outbox(workspace.alerts)]
    raised = quiet_period.filter_quiet(
        candidates,
        past,
        now=times.format_seconds(now),
        quiet_hours=load_params(workspace.params).watch.quiet_hours,
    )
    alerts.add_alerts(workspace.alerts, raised)
    alerts.deliver_alerts(workspace.alerts, workspace.alert_urls)
    return raised


def report_failure(workspace: Workspace, kind: str, error: BaseException, *, now: datetime) -> str:
    """Raise an alert that a scheduled run failed, and return the reason.

    Of an unexpected error the reason is only its type and place: its message may repeat a text.
    """
    reason = f"{type(error).__name__} at {_place(error)}"
    if isinstance(error, TonewatchError):
        reason = str(error)
    log.error("run.failed", kind=kind, reason=reason)
    command = COMMANDS.get(kind, kind)
    message = f"{reason}\nThe next run starts when it is due. To try now, type `tonewatch {command}`."
    alert = Alert(
        f"run/{kind}", "run", "all", times.format_seconds(now), f"The scheduled {kind} failed", message
    )
    with contextlib.suppress(TonewatchError):
        raise_and_send(workspace, [alert], now=now)
    return reason


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "nowhere"
