"""Every port that a running system opens is on loopback and rejects every request without its secret."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import attacks
import pytest
import running_service
import service_process
from service_process import get_status

from flows.request_retrain import deployment_name
from pipeline.base.config import Workspace

ROOT = Path(__file__).parents[2]


@contextmanager
def started(workspace: Workspace, *arguments: str, folder: Path = ROOT) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command as a process of its own, as a user without any setting does."""
    prefixes = ("TONEWATCH", "MLFLOW", "RAY_", "PREFECT")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", *arguments, "--workspace", str(workspace.root), "--json"],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        service_process.end_process(process)


def responds(port: int, path: str, **headers: str) -> bool:
    return get_status(port, path, **headers) == 200


def basic(workspace: Workspace) -> str:
    """Return the header value with the secret of a workspace's Prefect server."""
    password = (workspace.home / "prefect" / "password").read_text().strip()
    return f"Basic {base64.b64encode(f'tonewatch:{password}'.encode()).decode()}"


@dataclass(frozen=True)
class Running:
    """Hold a workspace whose service and schedule run, the open ports of each, and that of Prefect."""

    workspace: Workspace
    ports: dict[str, dict[int, str]]
    prefect: int


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run the service and the schedule of a workspace."""
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
        ports = {"serve": attacks.open_ports(service.pid), "schedule": attacks.open_ports(schedule.pid)}
        yield Running(workspace, ports, prefect)


@pytest.mark.attack("A1")
@pytest.mark.parametrize("command", ["serve", "schedule"])
def test_every_port_is_on_loopback(running: Running, command: str) -> None:
    assert set(running.ports[command].values()) == {"127.0.0.1"}


@pytest.mark.attack("A1")
@pytest.mark.parametrize("command", ["serve", "schedule"])
def test_every_attack_on_every_port_is_rejected(
    running: Running, command: str, record_property: Callable[[str, object], None]
) -> None:
    outcomes = {
        (port, attack): attacks.send(port, attack)
        for port in running.ports[command]
        for attack in attacks.attacks(port)
    }

    record_property("tried", len(outcomes))
    record_property("how", ", ".join(map(str, sorted({found.status for found in outcomes.values()}))))
    assert len(outcomes) >= 150
    assert {key: found for key, found in outcomes.items() if not found.rejects(key[1])} == {}


def test_with_its_secret_prefect_answers(running: Running) -> None:
    secret, password = basic(running.workspace), running.workspace.home / "prefect" / "password"

    assert responds(running.prefect, "/api/admin/version", Authorization=secret)
    assert not responds(running.prefect, "/api/admin/version")
    assert responds(running.prefect, "/")  # the pages ask for the secret themselves
    assert password.stat().st_mode & 0o077 == 0


@pytest.mark.chaos
@pytest.mark.surrounding("S2")
@pytest.mark.parametrize(
    "variables",
    [
        {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"},
        {"http_proxy": "http://127.0.0.1:9", "no_proxy": "intranet.example"},
        {"ALL_PROXY": "socks5://127.0.0.1:9"},
        {"all_proxy": "socks5h://ada:secret@127.0.0.1:9"},
    ],
    ids=["http", "incomplete", "socks", "socks-lower"],
)
def test_the_schedule_starts_whatever_proxy_a_company_names(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    workspace = running_service.make_workspace(tmp_path / "w", releases=0)
    note = workspace.home / "schedule" / "server.json"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        with started(workspace, "schedule") as process:
            running_service.wait_until(lambda: note.exists() or process.poll() is not None, 120)
            port = int(json.loads(note.read_text())["url"].rsplit(":", 1)[1].partition("/")[0])
            deployments = "/api/deployments/name/watch/"
            headers = {"Authorization": basic(workspace)}
            running_service.wait_until(
                lambda: get_status(port, f"{deployments}{deployment_name(workspace)}", **headers) == 200, 120
            )


@pytest.mark.chaos
@pytest.mark.surrounding("S2")
@pytest.mark.parametrize("name", [".env", "prefect.toml", "pyproject.toml"])
def test_settings_in_the_current_folder_are_not_read(tmp_path: Path, name: str) -> None:
    workspace = running_service.make_workspace(tmp_path / "w", releases=0)
    content = {
        ".env": "PREFECT_API_URL=http://127.0.0.1:9/api\nPREFECT_SERVER_API_AUTH_STRING=\nPREFECT_API_KEY=x\n",
        "prefect.toml": "[api]\nurl = 'http://127.0.0.1:9/api'\n[server.api]\nauth_string = ''\n",
        "pyproject.toml": "[tool.prefect.api]\nurl = 'http://127.0.0.1:9/api'\n",
    }[name]
    (workspace.root / name).write_text(content)
    note = workspace.home / "schedule" / "server.json"
    with started(workspace, "schedule", folder=workspace.root) as process:
        running_service.wait_until(lambda: note.exists() or process.poll() is not None, 120)
        port = int(json.loads(note.read_text())["url"].rsplit(":", 1)[1].partition("/")[0])
        path = f"/api/deployments/name/watch/{deployment_name(workspace)}"
        running_service.wait_until(lambda: get_status(port, path, Authorization=basic(workspace)) == 200, 120)
        assert get_status(port, path) == 401


@pytest.mark.chaos
@pytest.mark.attack("A1")
@pytest.mark.timeout(900)
def test_a_ray_cluster_is_on_loopback_and_asks_for_its_token(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w")
    with service_process.started(workspace, "--ray", seconds=200) as (process, client):
        assert client.get("/v1/release").status_code == 200
        assert client.get("/v1/release", headers=running_service.NO_KEY).status_code == 401
        ports = attacks.open_ports(process.pid)
        elsewhere = {port for port, address in ports.items() if not address.endswith("127.0.0.1")}
        joined = {
            name: joins(tmp_path / name, **variables)
            for name, variables in {
                "nothing": {},
                "a wrong token": {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 32},
                "no mode": {"RAY_AUTH_MODE": "disabled"},
                "the token": {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(workspace.ray_token)},
            }.items()
        }

    # Ray Serve's replicas open one port for each other on every interface (ray 2.60, replica.py); it asks for
    # the token as the others do.
    assert len(elsewhere) <= 2
    assert joined == {"nothing": False, "a wrong token": False, "no mode": False, "the token": True}
    assert workspace.ray_token.stat().st_mode & 0o077 == 0


def joins(home: Path, **variables: str) -> bool:
    """Return whether another process can join the cluster that Ray's temporary folder names."""
    home.mkdir()
    program = "import ray; ray.init(address='auto', log_to_driver=False); print('joined', len(ray.nodes()))"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment = {**kept, "HOME": str(home), "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", **variables}
    try:
        process = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120
        )
    except subprocess.TimeoutExpired:
        return False
    return "joined 1" in process.stdout
