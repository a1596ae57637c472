"""Every port that a running system opens is on loopback and rejects every request without its secret."""

import base64
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attacks
import pytest
import running_service

from pipeline.base.config import Workspace

ROOT = Path(__file__).parents[2]


@contextmanager
def started(workspace: Workspace, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command as a process of its own, as a user without any setting does."""
    prefixes = ("TONEWATCH", "MLFLOW", "RAY_", "PREFECT")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", *arguments, "--workspace", str(workspace.root), "--json"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def responds(port: int, path: str, **headers: str) -> bool:
    try:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        line.request("GET", path, headers=headers)
        return line.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[int, str]]]:
    """Run the service and the schedule of a workspace, and list the ports of each."""
    workspace = running_service.make_workspace(tmp_path_factory.mktemp("ports") / "w")
    port, note = running_service.free_port(), workspace.home / "schedule" / "server.json"
    with (
        started(workspace, "serve", "--port", str(port)) as service,
        started(workspace, "schedule") as schedule,
    ):
        running_service.wait_until(lambda: responds(port, "/readyz"), 60)
        running_service.wait_until(note.exists, 120)
        prefect = int(json.loads(note.read_text())["url"].rsplit(":", 1)[1].partition("/")[0])
        running_service.wait_until(lambda: responds(prefect, "/api/health"), 120)
        yield {"serve": attacks.open_ports(service.pid), "schedule": attacks.open_ports(schedule.pid)}


@pytest.mark.attack("A1")
@pytest.mark.parametrize("command", ["serve", "schedule"])
def test_every_port_is_on_loopback(ports: dict[str, dict[int, str]], command: str) -> None:
    assert set(ports[command].values()) == {"127.0.0.1"}


@pytest.mark.attack("A1")
@pytest.mark.parametrize("command", ["serve", "schedule"])
def test_every_attack_on_every_port_is_rejected(
    ports: dict[str, dict[int, str]], command: str, record_property: Callable[[str, object], None]
) -> None:
    outcomes = {
        (port, attack): attacks.send(port, attack)
        for port in ports[command]
        for attack in attacks.attacks(port)
    }

    record_property("tried", len(outcomes))
    record_property("how", ", ".join(map(str, sorted({found.status for found in outcomes.values()}))))
    assert len(outcomes) >= 150
    assert {key: found for key, found in outcomes.items() if not found.rejects(key[1])} == {}


def test_with_its_secret_prefect_answers(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w", releases=0)
    with started(workspace, "schedule"):
        note, password = workspace.home / "schedule" / "server.json", workspace.home / "prefect" / "password"
        running_service.wait_until(note.exists, 120)
        port = int(json.loads(note.read_text())["url"].rsplit(":", 1)[1].partition("/")[0])
        secret = base64.b64encode(f"tonewatch:{password.read_text().strip()}".encode()).decode()

        running_service.wait_until(
            lambda: responds(port, "/api/admin/version", Authorization=f"Basic {secret}"), 120
        )
        assert responds(port, "/")  # the pages ask for the secret themselves
    assert password.stat().st_mode & 0o077 == 0
