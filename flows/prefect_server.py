"""A Prefect server of the workspace's own, for where none is named: on loopback, and gone when the schedule ends.

Prefect is not imported here: it reads where its server is when it is imported.
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, MutableMapping

from pipeline.base import logs
from pipeline.base.config import Workspace
from pipeline.base.errors import Unreachable
from pipeline.io import files
from pipeline.operations import schedule

log = logs.get("schedule")
START_SECONDS = 180
STOP_SECONDS = 20
ADDRESS = "PREFECT_API_URL"
# On disk, so that a server that is started again knows who holds a slot; in memory, a running training would be ended for it.
LEASES = {"PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem"}
PR_SET_PDEATHSIG = 1


class PrefectServer:
    """Hold the server of a workspace, which is started again at the same address when it dies."""

    def __init__(self, workspace: Workspace, environment: MutableMapping[str, str]) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self._port = found.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/api"
        self._note = schedule.folder(workspace) / "server.json"
        self._log = workspace.home / "prefect" / "server.log"
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._environment = {
            name: value for name, value in {**environment, **LEASES}.items() if name != ADDRESS
        }
        self._process: subprocess.Popen[bytes] | None = None

    def ensure(self) -> None:
        """Start it if it does not run; raises Unreachable when it does not come up."""
        if self._process is not None and self._process.poll() is None:
            return
        if self._process is not None:
            log.warning("server ended", code=self._process.returncode)
        command = [
            sys.executable,
            "-m",
            "prefect",
            "server",
            "start",
            "--host",
            "127.0.0.1",
            "--port",
            str(self._port),
        ]
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                command,
                env=self._environment,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=_die_with_us,
            )
        files.write_json(self._note, {"pid": self._process.pid, "url": self.url})
        self._answers()
        log.info("server", url=self.url)

    def _answers(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while not answers(self.url):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise Unreachable(
                    f"The Prefect server does not start. Its log is {self._log}; then type the same again."
                )
            time.sleep(0.2)

    def stop(self) -> None:
        """End it and everything it started."""
        self._note.unlink(missing_ok=True)
        if self._process is None:
            return
        for how in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)


def _die_with_us() -> None:
    # Linux only: without it the server outlives a schedule that was killed.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def answers(url: str) -> bool:
    """Say whether a Prefect server answers at this address."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False


def find_server(workspace: Workspace, environment: MutableMapping[str, str]) -> str | None:
    """Give the address of the server that is named or that the workspace's schedule has started; None where neither is."""
    if named := environment.get(ADDRESS):
        return named
    try:
        url = str(files.read_json(schedule.folder(workspace) / "server.json")["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return url if answers(url) else None


@contextlib.contextmanager
def prefect_server(
    workspace: Workspace, environment: MutableMapping[str, str]
) -> Iterator[PrefectServer | None]:
    """Give None where a server is named; else start one, name it in the environment, and end it with the block."""
    if environment.get(ADDRESS):
        yield None
        return
    server = PrefectServer(workspace, environment)
    try:
        server.ensure()
        environment[ADDRESS] = server.url
        yield server
    finally:
        environment.pop(ADDRESS, None)
        server.stop()
