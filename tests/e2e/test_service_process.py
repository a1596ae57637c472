"""The service as a process of its own, plain and on Ray Serve, until a signal stops it."""

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import running_service
from service_process import start_process, started

from pipeline.io.journal.journal import Journal

ROOT = Path(__file__).parents[2]


def cpu_seconds(process: int) -> float:
    """Return the CPU time of a process, which does not depend on the load of the machine."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_it_starts_within_4_cpu_seconds_and_a_signal_loses_no_response(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w")
    with started(workspace) as (process, client):
        assert cpu_seconds(process.pid) < 4
        responses: list[Any] = []

        def send() -> None:
            with httpx.Client(base_url=client.base_url, headers=client.headers, timeout=30) as mine:
                try:
                    while True:
                        responses.append(mine.post("/v1/predict", json={"texts": ["word1"] * 32}).json())
                except httpx.HTTPError as error:
                    responses.append(type(error).__name__)

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        running_service.wait_until(lambda: len(responses) > 20)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
        for thread in threads:
            thread.join(30)

    assert process.returncode in (0, -signal.SIGTERM)
    request_ids = [one["request"] for one in responses if isinstance(one, dict)]
    # A connection closed between two requests loses no response.
    assert {one for one in responses if isinstance(one, str)} <= {
        "ConnectError",
        "RemoteProtocolError",
        "ReadError",
        "WriteError",
    }
    assert all(len(one["predictions"]) == 32 for one in responses if isinstance(one, dict))
    assert [path.suffix for path in workspace.journal.glob("predictions/*")] == [".db"]
    journaled = {one.request for one in Journal.reading(workspace.journal).predictions("2000", "9999")}
    assert set(request_ids) <= journaled
    # At most the requests in flight are journaled without a response.
    assert len(journaled - set(request_ids)) <= len(threads)
    assert [line for line in err.splitlines() if '"level": "error"' in line or "Traceback" in line] == []


def test_a_killed_service_has_journaled_every_response(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w")
    with started(workspace) as (process, client):
        response = [
            client.post("/v1/predict", json={"texts": ["word1", "word2"]}).json()["request"]
            for _ in range(20)
        ]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    journaled = [one.request for one in Journal.reading(workspace.journal).predictions("2000", "9999")]
    assert sorted(journaled) == sorted(response * 2)


def test_a_port_in_use_is_an_error_with_a_hint(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [
            sys.executable,
            "-m",
            "pipeline",
            "serve",
            "--port",
            str(taken.getsockname()[1]),
            "--workspace",
            str(workspace.root),
        ]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert ended.returncode == 2
    assert "--port" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_on_ray_serve_it_predicts_reloads_and_stops_cleanly(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w", releases=2, min_replicas=1, max_replicas=2)
    before = ray_processes()
    with started(workspace, "--ray", seconds=150) as (process, client):
        assert process.poll() is None, process.communicate()[1]
        first = client.post("/v1/predict", json={"texts": ["word1"]}).json()
        assert (first["release"], running_service.labels_of(first)) == ("R1", {"negative"})
        assert client.get("/metrics").status_code == 200
        assert client.get("/v1/release", headers={"Host": "rebound.example.org"}).status_code == 403
        responses: list[dict[str, Any]] = []
        stop = threading.Event()

        def send() -> None:
            with httpx.Client(base_url=client.base_url, headers=client.headers, timeout=60) as mine:
                while not stop.is_set():
                    response = mine.post("/v1/predict", json={"texts": ["word1"] * 16})
                    responses.append({"status": response.status_code, **response.json()})

        threads = [threading.Thread(target=send) for _ in range(6)]
        for thread in threads:
            thread.start()
        running_service.promote(workspace, "R2")
        took = running_service.wait_until(
            lambda: {one["release"] for one in responses[-12:]} == {"R2"} if len(responses) > 12 else False,
            60,
        )
        stop.set()
        for thread in threads:
            thread.join(60)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)

    assert {one["status"] for one in responses} == {200}
    assert all(
        running_service.labels_of(one) == ({"negative"} if one["release"] == "R1" else {"positive"})
        for one in responses
    )
    assert took < 60
    assert process.returncode == 0
    running_service.wait_until(lambda: ray_processes() <= before, 30)
    journaled = {one.request for one in Journal.reading(workspace.journal).predictions("2000", "9999")}
    assert {one["request"] for one in responses} <= journaled


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_on_ray_serve_replicas_follow_the_load_and_are_replaced(
    tmp_path: Path,
) -> None:
    workspace = running_service.make_workspace(tmp_path / "w", min_replicas=1, max_replicas=2)
    with started(workspace, "--ray", seconds=150) as (process, client):
        assert len(replicas()) == 1
        responses: list[str] = []
        cluster = {
            "RAY_ADDRESS": "auto",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(workspace.ray_token),
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        }
        with sending_requests(client, responses, connections=8):
            running_service.wait_until(lambda: len(replicas()) == 2, 120)
            old = replicas()
            port = str(client.base_url.port)
            second = start_process(workspace, "--ray", port=port, **cluster)
            running_service.wait_until(lambda: len(new := replicas()) == 2 and not new & old, 180)
        second.kill()  # the service belongs to the cluster, not to the process that started it
        second.communicate()
        running_service.wait_until(lambda: len(replicas()) == 1, 300)
        assert client.post("/v1/predict", json={"texts": ["word1"]}).status_code == 200
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)

    assert len(responses) > 100
    assert set(responses) == {""}


@contextmanager
def sending_requests(client: httpx.Client, responses: list[str], *, connections: int) -> Iterator[None]:
    """Send requests on so many connections; collect the error of each, or an empty text."""
    stop = threading.Event()

    def send() -> None:
        with httpx.Client(base_url=client.base_url, headers=client.headers, timeout=60) as mine:
            while not stop.is_set():
                try:
                    response = mine.post("/v1/predict", json={"texts": ["word1"] * 16})
                    responses.append("" if response.status_code == 200 else response.text)
                except httpx.HTTPError as error:
                    responses.append(type(error).__name__)

    threads = [threading.Thread(target=send) for _ in range(connections)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def replicas() -> set[int]:
    """Return the processes of the service's replicas."""
    return {number for number, command in processes() if command.startswith(b"ray::ServeReplica")}


def ray_processes() -> set[int]:
    """Return Ray's processes on this machine."""
    return {
        number
        for number, command in processes()
        if b"raylet" in command or b"gcs_server" in command or command.startswith(b"ray::")
    }


def processes() -> Iterator[tuple[int, bytes]]:
    """Yield the id and the command line of every process on this machine."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            yield int(folder.name), (folder / "cmdline").read_bytes()


def _received(line: socket.socket) -> bytes:
    """Return what has come on a connection, without waiting for more."""
    line.setblocking(False)
    try:
        return line.recv(99)
    except OSError:
        return b""


@pytest.mark.chaos
@pytest.mark.timeout(300)
def test_thousands_of_idle_slow_and_huge_requests_do_no_harm(
    tmp_path: Path,
) -> None:
    lines = 9_000
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < lines + 1_000:
        pytest.skip(f"{lines} connections take more open files than the {hard} allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with (
        started(
            running_service.make_workspace(tmp_path / "w", max_queued_texts=256, concurrent_requests=10_000)
        ) as (
            process,
            client,
        ),
        ExitStack() as held,
    ):
        for _ in range(20):
            client.post("/v1/predict", json={"texts": ["word1 " * 300] * 64})
        before, address = resident(process.pid), ("127.0.0.1", client.base_url.port or 0)
        askers = [
            held.enter_context(httpx.Client(base_url=client.base_url, headers=client.headers, timeout=60))
            for _ in range(4)
        ]
        assert {asker.get("/healthz").status_code for asker in askers} == {200}
        silent = [held.enter_context(closing(socket.create_connection(address, 10))) for _ in range(lines)]
        for number, line in enumerate(silent):
            if number % 2:
                with suppress(OSError):
                    line.sendall(
                        b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900000\r\n\r\n"
                        + b"a" * (number % 999)
                    )
        responses: list[int] = []
        floods = [
            threading.Thread(target=flood, args=(asker, work, responses))
            for asker, work in zip(askers, (much, huge) * 2, strict=True)
        ]
        for thread in floods:
            thread.start()
        health, peak = [], 0.0
        while any(thread.is_alive() for thread in floods):
            health.append(client.get("/healthz").elapsed.total_seconds())
            peak = max(peak, resident(process.pid))
        # Which lines come above the limit depends on how fast those with a request were answered.
        rejected = [received for line in silent if (received := _received(line))]
        held.close()
        well = running_service.wait_until(
            lambda: client.post("/v1/predict", json={"texts": ["word1"]}).status_code == 200
        )

    print(f"resident {before:.0f} MB before, {peak:.0f} MB at most")
    print(f"/healthz {max(health) * 1000:.0f} ms at most of {len(health)}")
    assert peak <= 1.5 * before
    assert sorted(health)[int(0.99 * len(health))] < 0.2
    assert 200 in responses
    assert set(responses) <= {200, 413, 503}
    assert {answer[:13] for answer in rejected} <= {b"HTTP/1.1 401 ", b"HTTP/1.1 408 ", b"HTTP/1.1 503 "}
    assert any(answer.startswith(b"HTTP/1.1 503 ") for answer in rejected), rejected[-3:]
    assert well < 10


def flood(asker: httpx.Client, work: Callable[[httpx.Client], httpx.Response], responses: list[int]) -> None:
    """Send requests in a row; a connection closed while sending counts as no response."""
    for _ in range(30):
        with suppress(httpx.TransportError):
            responses.append(work(asker).status_code)


def much(asker: httpx.Client) -> httpx.Response:
    return asker.post("/v1/predict", json={"texts": ["word1 " * 500] * 64})


def huge(asker: httpx.Client) -> httpx.Response:
    return asker.post("/v1/predict", content=iter([b"a" * 1_000_000] * 20))


def resident(process: int) -> float:
    """Return the resident memory of a process in MB."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
