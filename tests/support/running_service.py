"""Small releases and their service on a port: R1 predicts `negative` for every word, R2 `positive`."""

import contextlib
import dataclasses
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import toy
import yaml
from fastapi import FastAPI

from pipeline.base.config import Workspace
from pipeline.io import files
from pipeline.io.journal.journal import Journal
from pipeline.io.params_file import load_params
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger
from pipeline.io.security import api_keys
from pipeline.serve.build import build_app
from pipeline.serve.main import make_server

CHECKOUT = Path(__file__).parents[2]
WORDS = tuple(f"word{number}" for number in range(300))
WHO = {"actor": "ada", "reason": "a test"}
SERVE = {"reload_seconds": 0.1}


def make_workspace(root: Path, *, releases: int = 1, **serve: object) -> Workspace:
    """Make a workspace with so many releases, R1 in service; `serve` are keys of that params section."""
    params = yaml.safe_load((CHECKOUT / "params.yaml").read_text("utf-8"))
    params["serve"] |= SERVE | serve
    root.mkdir(parents=True, exist_ok=True)
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")
    (root / "dvc.yaml").write_text("stages: {}\n")
    workspace = Workspace.of(root, {})
    for number in range(1, releases + 1):
        add_release(workspace, label=toy.LABELS[0] if number % 2 else toy.LABELS[2])
    if releases:
        promote(workspace, "R1")
    return workspace


def add_release(workspace: Workspace, *, label: str, data_version: str = "v1") -> str:
    """Add a release that predicts one label for every word, with its local copy, and return its name."""
    return add_toy(workspace, dict.fromkeys(WORDS, label), {}, data_version=data_version)


def serve_toy(root: Path, words: Mapping[str, str], settings: Mapping[str, object]) -> Workspace:
    """Make a workspace with one release in service, which predicts these labels for these words."""
    workspace = make_workspace(root, releases=0)
    promote(workspace, add_toy(workspace, words, settings))
    return workspace


def add_toy(
    workspace: Workspace,
    words: Mapping[str, str],
    settings: Mapping[str, object],
    *,
    data_version: str = "v1",
) -> str:
    """Add a release with further settings of its model, as a task, and return its name."""
    candidate = workspace.root / "data" / "candidate"
    toy.candidate(candidate, words, settings=settings)
    evaluation = {"macro_f1": 0.9}
    number = len(Ledger(workspace.ledger).releases()) + 1
    record = {
        "identity": f"{number}",
        "data_version": data_version,
        "model_version": number,
        "evaluation": evaluation,
        "files": release_files.release_digests(files.folder_digests(candidate), evaluation),
        "decision": {"accepted": True},
        "approval": "none",
    }
    release = Ledger(workspace.ledger).add(record)
    release_files.keep_local_copy(workspace, release.record)
    return release.name


def promote(workspace: Workspace, name: str) -> None:
    """Put a release in service."""
    ledger = Ledger(workspace.ledger)
    ledger.move(expected=ledger.champion(), target=name, **WHO)


def create_key(workspace: Workspace, *scopes: str, days: int | None = None) -> tuple[str, dict[str, str]]:
    """Create an API key; return its id and the header that carries it."""
    key, secret = api_keys.create_key(
        workspace.keys, name="shop", scopes=scopes, days=days, now=datetime.now(UTC)
    )
    return key.id, {"Authorization": f"Bearer {secret}"}


def client_headers(workspace: Workspace) -> dict[str, str]:
    """Return the header with a key of all scopes, made at the first call."""
    path = workspace.home / "test.key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(create_key(workspace, *api_keys.SCOPES)[1]["Authorization"])
    return {"Authorization": path.read_text()}


NO_KEY = {"Authorization": ""}


@dataclass(frozen=True)
class RunningService:
    """Hold a service on a port, its app, and a client of it."""

    workspace: Workspace
    app: FastAPI
    port: int
    client: httpx.Client

    def predict(self, *texts: str, **options: Any) -> httpx.Response:
        return self.client.post("/v1/predict", json={"texts": list(texts) or ["word1"]}, **options)

    def metric(self, name: str, **labels: str) -> float:
        """Return the value of a metric from /metrics, 0 where it is missing."""
        pairs = ",".join(f'{label}="{value}"' for label, value in labels.items())
        prefix = f"{name}{{{pairs}}} " if pairs else f"{name} "
        lines = self.client.get("/metrics").text.splitlines()
        return next((float(line.removeprefix(prefix)) for line in lines if line.startswith(prefix)), 0.0)


@contextlib.contextmanager
def running(
    workspace: Workspace, *, ready: bool = True, app: FastAPI | None = None
) -> Iterator[RunningService]:
    """Serve a workspace on a free port, in a thread; by default yield once /readyz answers 200.

    The client sends a key of all scopes.
    """
    app = app or build_app(workspace, host="127.0.0.1")
    server = make_server(app, load_params(workspace.params).serve, host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=20, headers=client_headers(workspace)
        ) as client:
            if ready:
                wait_until(lambda: client.get("/readyz").status_code == 200)
            yield RunningService(workspace, app, port, client)
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def wait_until(condition: Any, seconds: float = 15.0) -> float:
    """Wait until a condition is true; return how long that took, in seconds."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, "timed out"
        time.sleep(0.01)
    return time.monotonic() - start


def labels_of(response: Mapping[str, Any]) -> set[str]:
    """Return the labels in a response of /v1/predict."""
    return {prediction["label"] for prediction in response["predictions"]}


def journal_bytes(workspace: Workspace) -> bytes:
    """Return the bytes of all files of the journal."""
    return b"".join(path.read_bytes() for path in sorted(workspace.journal.rglob("*")) if path.is_file())


def block_journal(workspace: Workspace) -> None:
    """Put a file where the folder of predictions must be: it stops root too, which a mode would not."""
    folder = workspace.journal / "predictions"
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("")


def unblock_journal(workspace: Workspace) -> None:
    """Let predictions be written again."""
    (workspace.journal / "predictions").unlink()


def journal_entries(workspace: Workspace) -> list[dict[str, Any]]:
    """Return the predictions in the journal."""
    return [dataclasses.asdict(entry) for entry in Journal.reading(workspace.journal).predictions("", "9999")]


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
