"""Releases made in milliseconds, and the service of them really listening: R1 answers every word with `negative`, R2 with `positive`."""

import contextlib
import json
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
from pipeline.io.params_file import load_params
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger
from pipeline.io.security import api_keys
from pipeline.serve.main import build_app, make_server

CHECKOUT = Path(__file__).parents[2]
WORDS = tuple(f"word{number}" for number in range(300))
WHO = {"actor": "ada", "reason": "a test"}
LIMITS = {"reload_seconds": 0.1}


def world(root: Path, *, releases: int = 1, **limits: object) -> Workspace:
    """Make a workspace with so many releases, the first of them in service; `limits` are keys of `serve`."""
    params = yaml.safe_load((CHECKOUT / "params.yaml").read_text("utf-8"))
    params["serve"] |= LIMITS | limits
    root.mkdir(parents=True, exist_ok=True)
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")
    (root / "dvc.yaml").write_text("stages: {}\n")
    places = Workspace.of(root, {})
    for number in range(1, releases + 1):
        release(places, always=toy.LABELS[0] if number % 2 else toy.LABELS[2])
    if releases:
        move(places, "R1")
    return places


def release(places: Workspace, *, always: str, data_version: str = "v1") -> str:
    """Record a release that answers every word with one label, and keep its copy; give its name."""
    candidate = places.root / "data" / "candidate"
    toy.candidate(candidate, dict.fromkeys(WORDS, always))
    found, measured = files.folder_digests(candidate), {"macro_f1": 0.9}
    number = len(Ledger(places.ledger).releases()) + 1
    document = {
        "identity": f"{number}",
        "data_version": data_version,
        "model_version": number,
        "evaluation": measured,
        "files": release_files.release_digests(found, measured),
        "decision": {"accepted": True},
        "approval": "none",
    }
    added = Ledger(places.ledger).add(document)
    release_files.keep_local_copy(places, added.document)
    return added.name


def move(places: Workspace, name: str) -> None:
    """Put a release in service."""
    ledger = Ledger(places.ledger)
    ledger.move(expected=ledger.current(), target=name, **WHO)


def key(places: Workspace, *scopes: str, days: int | None = None) -> tuple[str, dict[str, str]]:
    """Make a key; give its id and the header that shows it."""
    made, told = api_keys.create_key(
        places.keys, name="shop", scopes=scopes, days=days, now=datetime.now(UTC)
    )
    return made.id, {"Authorization": f"Bearer {told}"}


@dataclass(frozen=True)
class Listening:
    """Hold a service that listens, its app, and a client of it."""

    places: Workspace
    app: FastAPI
    port: int
    client: httpx.Client

    def predict(self, *texts: str, **more: Any) -> httpx.Response:
        return self.client.post("/v1/predict", json={"texts": list(texts) or ["word1"]}, **more)

    def meter(self, name: str, **labels: str) -> float:
        """Give the value of a meter as Prometheus reads it."""
        asked = (
            name
            + (
                "{" + ",".join(f'{label}="{value}"' for label, value in labels.items()) + "}"
                if labels
                else ""
            )
            + " "
        )
        lines = self.client.get("/metrics").text.splitlines()
        return next((float(line.removeprefix(asked)) for line in lines if line.startswith(asked)), 0.0)


@contextlib.contextmanager
def listening(places: Workspace, *, ready: bool = True, app: FastAPI | None = None) -> Iterator[Listening]:
    """Serve a workspace on a free port of this machine, in a thread; by default once it is ready."""
    app = app or build_app(places, host="127.0.0.1")
    server = make_server(app, load_params(places.params).serve, host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            if ready:
                until(lambda: client.get("/readyz").status_code == 200)
            yield Listening(places, app, port, client)
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def until(true: Any, seconds: float = 15.0) -> float:
    """Wait until something holds; give how long that took, in seconds."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, "it never came to hold"
        time.sleep(0.01)
    return time.monotonic() - began


def labels_of(answer: Mapping[str, Any]) -> set[str]:
    """Give the labels in an answer."""
    return {one["label"] for one in answer["answers"]}


def kept(places: Workspace) -> str:
    """Give everything that lies in the journal's open segments."""
    return "".join(path.read_text("utf-8") for path in sorted(places.journal.glob("answers/*/*.jsonl")))


def entries(places: Workspace) -> list[dict[str, Any]]:
    """Give the answers in the journal's open segments."""
    return [json.loads(line) for line in kept(places).splitlines()]


def free_port() -> int:
    """Give a port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
