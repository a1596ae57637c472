"""A Prefect server where none is configured: on loopback, with a secret, ended with its command.

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
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.base import logs
from pipeline.base.config import Workspace
from pipeline.base.errors import Unreachable
from pipeline.base.hosts import is_loopback
from pipeline.io import files
from pipeline.io.file_access import make_private
from pipeline.io.security.secret_files import read_or_make_secret
from pipeline.operations import schedule

log = logs.get("schedule")
START_SECONDS = 180
STOP_SECONDS = 20
URL_VARIABLE, CLIENT_AUTH_VARIABLE = "PREFECT_API_URL", "PREFECT_API_AUTH_STRING"
USER = "tonewatch"
SETTINGS = {
    # Off by default, so that the database of runs grows for ever.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs,orphans",
}
# Settings of another server of the user, which would move or open ours.
FOREIGN = ("PREFECT_API_", "PREFECT_SERVER_API_", "PREFECT_SERVER_CORS_", "PREFECT_UI_", "PREFECT_PROFILE")
CHECKOUT = Path(__file__).parents[1]
PR_SET_PDEATHSIG = 1


class PrefectServer:
    """Run the server of a workspace; after it dies it is restarted at the same address.

    It listens on loopback and asks for the secret of the workspace. `pages`: with its pages and with the
    services that schedule runs.
    """

    def __init__(
        self, workspace: Workspace, environment: MutableMapping[str, str], *, pages: bool = True
    ) -> None:
        # The socket stays open here: while the server restarts, nobody else can take its port.
        self._listener = socket.create_server(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"{origin}/api"
        self.secret = secret_of(workspace)
        self._pages = pages
        self._note = _note(workspace)
        self._folder = workspace.home / "prefect"
        inherited = {name: value for name, value in environment.items() if not name.startswith(FOREIGN)}
        path = os.pathsep.join([str(CHECKOUT), *filter(None, [environment.get("PYTHONPATH")])])
        self._environment = {
            **inherited,
            **SETTINGS,
            "PYTHONPATH": path,
            "PREFECT_SERVER_API_AUTH_STRING": self.secret,
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": origin,
            "PREFECT_UI_API_URL": self.url,
            **({} if pages else {"PREFECT__SERVER_EPHEMERAL": "1"}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._is_new = False

    def ensure_running(self) -> None:
        """Start the server unless it runs, and wait until it is reachable.

        Raises Unreachable when it does not start.
        """
        self.start()
        self.wait_until_reachable()

    def start(self) -> None:
        """Start the server unless it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        if self._process is not None:
            log.warning("server.died", code=self._process.returncode)
        handle = self._listener.fileno()
        with (self._folder / "server.log").open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "flows.prefect_app", str(handle)],
                env=self._environment,
                # Prefect reads .env, prefect.toml and pyproject.toml of the current folder.
                cwd=self._folder,
                pass_fds=[handle],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        self._is_new = True
        if self._pages:
            files.write_json(self._note, {"pid": self._process.pid, "url": self.url})

    def wait_until_reachable(self) -> None:
        """Wait for a server that was started just now.

        Raises Unreachable when it does not answer.
        """
        if self._process is None or not self._is_new:
            return
        deadline = time.monotonic() + START_SECONDS
        while not is_reachable(self.url):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise Unreachable(
                    f"The Prefect server does not start. Read its log, {self._folder / 'server.log'}, "
                    "then type the same again."
                )
            time.sleep(0.2)
        self._is_new = False
        log.info("server.started", url=self.url)

    def stop(self) -> None:
        """Stop the server and every process it started."""
        if self._pages:
            self._note.unlink(missing_ok=True)
        self._listener.close()
        if self._process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)


@dataclass(frozen=True)
class ServerAddress:
    """The address of a server's API, and its secret; None where Prefect's own settings hold that."""

    url: str
    secret: str | None


def secret_of(workspace: Workspace) -> str:
    """Return the secret of the workspace's own server, as `tonewatch:PASSWORD`; made at the first call."""
    return f"{USER}:{read_or_make_secret(secret_path(workspace))}"


def secret_path(workspace: Workspace) -> Path:
    """Return the file with the password of the workspace's own server; only its owner can read it."""
    return workspace.home / "prefect" / "password"


def _note(workspace: Workspace) -> Path:
    return schedule.folder(workspace) / "server.json"


def _die_with_parent() -> None:
    # Linux only: elsewhere the server outlives a schedule that was killed.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def is_reachable(url: str) -> bool:
    """Return whether a Prefect server is healthy at the address of its API, as http://127.0.0.1:4200/api."""
    # The proxy that HTTP_PROXY names cannot reach this machine's loopback.
    handlers = [urllib.request.ProxyHandler({})] if is_loopback(urlsplit(url).hostname or "") else []
    try:
        with urllib.request.build_opener(*handlers).open(f"{url}/health", timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, ValueError):
        return False


def find_server(workspace: Workspace, environment: Mapping[str, str]) -> ServerAddress | None:
    """Return the configured server or the schedule's own; None without either."""
    if configured := environment.get(URL_VARIABLE):
        return ServerAddress(configured, None)
    try:
        url = str(files.read_json(_note(workspace))["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return ServerAddress(url, secret_of(workspace)) if is_reachable(url) else None


@contextlib.contextmanager
def prefect_server(
    workspace: Workspace,
    environment: MutableMapping[str, str],
    *,
    pages: bool = True,
    meanwhile: Callable[[], object] = lambda: None,
) -> Iterator[PrefectServer | None]:
    """Run a server for the block, its address and secret in the environment; yield None for another one.

    While it starts, `meanwhile` runs, and may import Prefect, which reads the address then.
    The block runs in a folder of ours: Prefect reads settings from .env, prefect.toml and pyproject.toml of
    the current one.
    """
    folder = workspace.home / "prefect"
    make_private(folder)
    with contextlib.chdir(folder):
        if environment.get(URL_VARIABLE):
            yield None
            return
        server = PrefectServer(workspace, environment, pages=pages)
        before = environment.get(CLIENT_AUTH_VARIABLE)
        try:
            server.start()
            environment[URL_VARIABLE], environment[CLIENT_AUTH_VARIABLE] = server.url, server.secret
            meanwhile()
            server.wait_until_reachable()
            yield server
        finally:
            for name in (URL_VARIABLE, CLIENT_AUTH_VARIABLE):
                environment.pop(name, None)
            if before is not None:
                environment[CLIENT_AUTH_VARIABLE] = before
            server.stop()
