"""A Prefect server for the workspace where none is configured: on loopback, stopped when the schedule ends.

This module does not import Prefect, which reads the server's address when it is imported.
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
URL_VARIABLE = "PREFECT_API_URL"
# On disk, so that a restarted server knows who holds a slot; without that it would end a running training.
LEASES = {"PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem"}
PR_SET_PDEATHSIG = 1


class PrefectServer:
    """Run the server of a workspace; after it dies it is restarted at the same address."""

    def __init__(self, workspace: Workspace, environment: MutableMapping[str, str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/api"
        self._note = schedule.folder(workspace) / "server.json"
        self._log = workspace.home / "prefect" / "server.log"
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._environment = {
            name: value for name, value in {**environment, **LEASES}.items() if name != URL_VARIABLE
        }
        self._process: subprocess.Popen[bytes] | None = None

    def ensure_running(self) -> None:
        """Start the server unless it runs, and wait until it is reachable.

        Raises Unreachable when it does not start.
        """
        if self._process is not None and self._process.poll() is None:
            return
        if self._process is not None:
            log.warning("server.died", code=self._process.returncode)
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                [*command, "--port", str(self._port)],
                env=self._environment,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        files.write_json(self._note, {"pid": self._process.pid, "url": self.url})
        self._wait_until_reachable(self._process)
        log.info("server.started", url=self.url)

    def _wait_until_reachable(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not is_reachable(self.url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Unreachable(
                    f"The Prefect server does not start. Read its log, {self._log}, then type the same again."
                )
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop the server and every process it started."""
        self._note.unlink(missing_ok=True)
        if self._process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)


def _die_with_parent() -> None:
    # Linux only: elsewhere the server outlives a schedule that was killed.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def is_reachable(url: str) -> bool:
    """Return whether a Prefect server is healthy at the address of its API, as http://127.0.0.1:4200/api."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, ValueError):
        return False


def find_server_url(workspace: Workspace, environment: MutableMapping[str, str]) -> str | None:
    """Return the address of the configured server or of the schedule's own; None without either."""
    if configured := environment.get(URL_VARIABLE):
        return configured
    try:
        url = str(files.read_json(schedule.folder(workspace) / "server.json")["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return url if is_reachable(url) else None


@contextlib.contextmanager
def prefect_server(
    workspace: Workspace, environment: MutableMapping[str, str]
) -> Iterator[PrefectServer | None]:
    """Run a server for the block, with its address in the environment; yield None where one is configured."""
    if environment.get(URL_VARIABLE):
        yield None
        return
    server = PrefectServer(workspace, environment)
    try:
        server.ensure_running()
        environment[URL_VARIABLE] = server.url
        yield server
    finally:
        environment.pop(URL_VARIABLE, None)
        server.stop()
