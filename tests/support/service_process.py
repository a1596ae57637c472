"""`tonewatch serve` as a process of its own."""

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import running_service

from pipeline.base.config import Workspace

ROOT = Path(__file__).parents[2]


@contextmanager
def started(
    workspace: Workspace, *more: str, seconds: float = 60
) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """Start `tonewatch serve` as a process of its own and wait until it is ready."""
    port = running_service.free_port()
    process = start_process(workspace, *more, port=str(port))
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            timeout=30,
            headers=running_service.client_headers(workspace),
        ) as client:
            running_service.wait_until(lambda: process.poll() is not None or ready(client), seconds)
            yield process, client
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def start_process(workspace: Workspace, *more: str, port: str, **environment: str) -> subprocess.Popen[str]:
    """Start `tonewatch serve` without our own environment variables but these."""
    command = [
        sys.executable,
        "-m",
        "pipeline",
        "serve",
        "--port",
        port,
        "--workspace",
        str(workspace.root),
        "--json",
        *more,
    ]
    variables = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TONEWATCH", "MLFLOW", "RAY_"))
    } | environment
    return subprocess.Popen(
        command, cwd=ROOT, env=variables, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.HTTPError:
        return False


def end_process(process: subprocess.Popen[Any]) -> None:
    """End a process and its group: by SIGTERM, and after a minute by SIGKILL."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def get_status(port: int, path: str, **headers: str) -> int:
    """Return the status of a GET request to this machine, 0 without a response."""
    try:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        line.request("GET", path, headers=headers)
        return line.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
