"""The discipline of a scheduled run: one at a time of a kind, none twice, at most one for all that were missed, and its end told.

schedule/retrain.json       when the last run of that kind began, what it was due for, and the times made before it
schedule/retrain.lock       held by the one that runs
schedule/runs/<id>.json     held by the process of a run as long as it lives, so that whoever looks knows a dead one
"""

import contextlib
import fcntl
import json
import os
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.base import logs, times
from pipeline.base.config import Workspace
from pipeline.base.errors import TonewatchError
from pipeline.base.records import Alert
from pipeline.core.monitor import quiet_period
from pipeline.io import alerts, files, locks
from pipeline.io.params_file import load_params

log = logs.get("schedule")
DUES_KEPT = 200
_HELD: list[
    int
] = []  # let go of by the system alone: the end of a run is told after the run's own code has returned


@dataclass(frozen=True)
class LastRun:
    """Hold which run of a kind began last: its number in their order, its id, and when it was due and began, in UTC to the microsecond."""

    sequence: int = 0
    run: str = ""
    due: str = ""
    began: str = ""
    dues: tuple[str, ...] = ()


def folder(workspace: Workspace) -> Path:
    """Give the folder of the schedule's own notes."""
    return workspace.home / "schedule"


def skip_reason(last: LastRun, *, run: str, due: str, now: str) -> str | None:
    """Say why a run need not be made; None when it must.

    A clock that was set back does not stop the schedule: a beginning that lies in the future says nothing.
    """
    if run == last.run:
        return None
    if due in last.dues:
        return f"The run due at {due} was made already."
    if last.began <= now and due <= last.began:
        return f"It was due at {due}; another began after that, at {last.began}, and did its work."
    return None


@contextlib.contextmanager
def take_turn(
    workspace: Workspace, kind: str, *, run: str, due: datetime, now: datetime
) -> Iterator[str | None]:
    """Take the turn of a run and give None, or say why it has none; the turn ends with the block, or with the process."""
    from filelock import FileLock, Timeout

    planned, began = times.format_micros(due), times.format_micros(now)
    _live(workspace, run, {"kind": kind, "due": planned, "began": began, "pid": os.getpid()})
    note = folder(workspace) / f"{kind}.json"
    lock = FileLock(folder(workspace) / f"{kind}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield f"Another run of this kind ({kind}) is going on: {last_run(workspace, kind).run or 'it has just begun'}."
        return
    try:
        last = last_run(workspace, kind)
        why = skip_reason(last, run=run, due=planned, now=began)
        if why is None:
            dues = tuple(dict.fromkeys((*last.dues, planned)))[-DUES_KEPT:]
            files.write_json(note, asdict(LastRun(last.sequence + 1, run, planned, began, dues)))
        yield why
    finally:
        lock.release()


def last_run(workspace: Workspace, kind: str) -> LastRun:
    """Read which run of a kind began last; garbage counts as none."""
    try:
        found = files.read_json(folder(workspace) / f"{kind}.json")
        return LastRun(**{**found, "dues": tuple(found["dues"])})
    except (OSError, ValueError, TypeError, KeyError):
        return LastRun()


def _live(workspace: Workspace, run: str, about: dict[str, Any]) -> None:
    path = folder(workspace) / "runs" / f"{run}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Held before it has its name: nobody ever finds it there and free while its run lives.
    beside = path.with_suffix(f".{os.getpid()}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    os.write(handle, json.dumps(about).encode())
    beside.rename(path)
    _HELD.append(handle)


def run_is_alive(workspace: Workspace, run: str) -> bool | None:
    """Say whether the process of a run lives; None when no process has taken it up on this machine."""
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


def forget_ended_runs(workspace: Workspace, *, but: Sequence[str]) -> None:
    """Remove the notes of runs whose processes have ended, but for those whose end is still to be told."""
    for path in (folder(workspace) / "runs").glob("*.json"):
        if path.stem not in but and run_is_alive(workspace, path.stem) is False:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def single_schedule(workspace: Workspace) -> Iterator[None]:
    """Be the only schedule of a workspace; raises RunGoingOn where one runs already."""
    folder(workspace).mkdir(parents=True, exist_ok=True)
    told = f"Process WHO runs the schedule of {workspace.root} already. End it with `kill WHO`, then type the same again."
    with locks.exclusive_lock(folder(workspace) / "schedule", told):
        yield


def raise_and_send(workspace: Workspace, candidates: Sequence[Alert], *, now: datetime) -> list[Alert]:
    """Raise alerts that are not quiet yet, and send what waits; gives the raised ones."""
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
    """Tell that a scheduled run failed, and give why; of an error that is not ours only its kind and place, for it may repeat a text."""
    why = str(error) if isinstance(error, TonewatchError) else f"{type(error).__name__} at {_place(error)}"
    log.error("run failed", kind=kind, why=why)
    title = f"The scheduled {kind} failed"
    message = (
        f"{why}\nThe next one is made when it is due. Try it now with `tonewatch {COMMANDS.get(kind, kind)}`."
    )
    with contextlib.suppress(TonewatchError):
        raise_and_send(
            workspace,
            [Alert(f"run/{kind}", "run", "all", times.format_seconds(now), title, message)],
            now=now,
        )
    return why


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "nowhere"


COMMANDS = {"retrain": "run", "audit": "release verify"}
