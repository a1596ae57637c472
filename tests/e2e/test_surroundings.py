"""The whole loop, `run`, `serve`, `watch`, `schedule` and `rollback`, in surroundings that are not ours."""

import http.client
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import running_service
from service_process import end_process, get_status

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]
NOBODY = "http://ada:secret@127.0.0.1:9"
PROXIES = {
    "HTTP_PROXY": NOBODY,
    "HTTPS_PROXY": NOBODY,
    "http_proxy": NOBODY,
    "ALL_PROXY": "socks5://127.0.0.1:9",
}


def alone(command, **variables):
    """Return the command without the Prefect server of the tests, as on a user's machine."""
    environment = {name: value for name, value in command.environment.items() if name != "PREFECT_API_URL"}
    return type(command)(command.folder, {**environment, **variables})


def start(command, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=command.folder,
        env=command.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def predict_over_http(command) -> dict:
    """Serve the workspace, and return the response for one text."""
    port = running_service.free_port()
    process = start(command, "serve", "--port", str(port))
    try:
        key = command.folder / ".tonewatch" / "local.key"
        running_service.wait_until(lambda: key.exists() and get_status(port, "/readyz") == 200, 120)
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"Authorization": f"Bearer {key.read_text().strip()}", "Content-Type": "application/json"}
        line.request("POST", "/v1/predict", json.dumps({"texts": ["a lovely film"]}), headers)
        return json.loads(line.getresponse().read())
    finally:
        end_process(process)


def schedule_starts(command) -> bool:
    note = command.folder / ".tonewatch" / "schedule" / "server.json"
    note.unlink(missing_ok=True)
    process = start(command, "schedule")
    try:
        running_service.wait_until(lambda: note.exists() or process.poll() is not None, 180)
        time.sleep(3)
        return process.poll() is None
    finally:
        end_process(process)


def whole_loop(command, tiny: list[str], release: str) -> None:
    """Run to a release, serve a text with it, watch, start the schedule, and let doctor look at all of it."""
    ran = command("run", *tiny, timeout=900)
    assert ran.code == 0, ran.err
    assert ran.json["document"]["release"] == release
    assert predict_over_http(command)["release"] == release
    watched = command("watch")
    assert watched.code == 0, watched.err
    assert schedule_starts(command)
    found = command("doctor").json
    assert [check for check in found["checks"] if not check["ok"]] == []


@pytest.mark.surrounding("S2")
def test_the_whole_loop_behind_a_proxy_that_is_down(new_workspace, tiny, tmp_path) -> None:
    whole_loop(alone(new_workspace(tmp_path / "w"), **PROXIES), tiny, "R1")


@pytest.mark.surrounding("S1")
@pytest.mark.parametrize("link", ["symlink", "hardlink"])
def test_the_whole_loop_with_links_into_the_cache(new_workspace, tiny, tmp_path, link) -> None:
    command = alone(new_workspace(tmp_path / "w"))
    with (command.folder / ".dvc" / "config").open("a") as config:
        config.write(f"[cache]\n    type = {link}\n")
    whole_loop(command, tiny, "R1")
    second = command("run", "--set", "finetune.min_steps=70", timeout=900)
    assert second.code == 0, second.err

    back = command("release", "rollback", "--reason", "a test")

    assert back.code == 0, back.out
    assert command("release", "reconcile").code == 0


@pytest.mark.surrounding("S1")
@pytest.mark.parametrize("how", ["moved", "copied", "behind a link"])
def test_the_whole_loop_from_another_place(new_workspace, tiny, tmp_path, how) -> None:
    first = alone(new_workspace(tmp_path / "old place"))
    assert first("run", *tiny, timeout=900).code == 0
    place = tmp_path / "Ünterwegs & 100%" / "w"
    place.parent.mkdir()
    if how == "moved":
        first.folder.rename(place)
    elif how == "copied":
        shutil.copytree(first.folder, place, symlinks=True)
    else:
        place.symlink_to(first.folder)
    before = tree(first.folder) if how == "copied" else None
    command = type(first)(place, first.environment)

    whole_loop(command, ["--set", "finetune.min_steps=70"], "R2")
    assert command("release", "rollback", "--reason", "a test").code == 0

    assert predict_over_http(command)["release"] == "R1"
    if how == "moved":
        assert not first.folder.exists()
    if before is not None:
        assert tree(first.folder) == before


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def mlflow_server(tmp_path):
    """Start a real MLflow server with its own artifact store, as a team shares one."""
    port, folder = running_service.free_port(), tmp_path / "mlflow"
    folder.mkdir()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
            *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--workers", "1"),
            *("--artifacts-destination", str(folder / "artifacts")),
        ],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        running_service.wait_until(lambda: get_status(port, "/health") == 200, 180)
        yield f"http://127.0.0.1:{port}"
    finally:
        end_process(process)


@pytest.mark.surrounding("S3")
def test_the_whole_loop_beside_a_second_workspace_on_one_mlflow(
    new_workspace, tiny, tmp_path, mlflow_server
) -> None:
    shared = {"MLFLOW_TRACKING_URI": mlflow_server}
    ours, theirs = (alone(new_workspace(tmp_path / name / "w"), **shared) for name in ("ours", "theirs"))
    whole_loop(ours, tiny, "R1")
    before = ours("release", "show", "R1").json

    whole_loop(theirs, [*tiny, "--set", "finetune.min_steps=70"], "R1")

    assert ours("release", "show", "R1").json == before
    for command in (ours, theirs):
        assert command("release", "reconcile").json == {"repaired": [], "left": [], "pending": []}
