"""The workspace of the demo: its commands, its service, its simulated clock and its timeline."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).parents[1]


@dataclass
class Clock:
    """Hold the simulated time."""

    now: datetime

    def __call__(self) -> datetime:
        """Return the simulated time."""
        return self.now


@dataclass
class Demo:
    """Hold the workspace, the clock, and the timeline."""

    root: Path
    clock: Clock
    address: str = ""
    truth: dict[tuple[str, int], str] = field(default_factory=dict)  # of each prediction
    started: float = field(default_factory=time.monotonic)
    timeline: list[str] = field(default_factory=list)

    def log(self, event: str) -> None:
        """Print an event with the simulated and the real time."""
        entry = f"{self.clock.now:%a %H:%M}  +{time.monotonic() - self.started:4.0f} s  {event}"
        self.timeline.append(entry)
        print(entry, flush=True)

    def command(self, *arguments: str, allowed: Sequence[int] = (0,)) -> Any:
        """Run `tonewatch` in the workspace and return its JSON."""
        command = [sys.executable, "-m", "pipeline", *arguments, "--json", "--workspace", str(self.root)]
        # dvc.yaml calls `tonewatch`, which `make` does not put on the path.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        process = subprocess.run(
            command,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": path},
            check=False,
        )
        if process.returncode not in allowed:
            raise SystemExit(
                f"tonewatch {' '.join(arguments)} ended with {process.returncode}:\n{process.stderr[-3000:]}"
            )
        return json.loads(process.stdout)

    def params(self) -> dict[str, Any]:
        """Read the workspace's params."""
        return dict(yaml.safe_load((self.root / "params.yaml").read_text("utf-8")))

    def change(self, **sections: dict[str, Any]) -> None:
        """Write values into sections of the params."""
        params = self.params()
        for section, values in sections.items():
            params[section] |= values
        (self.root / "params.yaml").write_text(
            yaml.safe_dump(params, sort_keys=False, allow_unicode=True), "utf-8"
        )

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Post JSON to the service and return its response."""
        headers = {**self._authorization(), "Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    def get(self, path: str) -> Any:
        """Return JSON from the service."""
        request = urllib.request.Request(self.address + path, headers=self._authorization())
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    def _authorization(self) -> dict[str, str]:
        key = self.root / ".tonewatch" / "local.key"
        return {"Authorization": f"Bearer {key.read_text().strip()}"}

    def ready(self) -> bool:
        """Return whether the service is ready."""
        try:
            return bool(self.get("/readyz")["ready"])
        except OSError:
            return False


@contextlib.contextmanager
def serving(demo: Demo) -> Iterator[None]:
    """Serve the workspace as `tonewatch serve` does, with the simulated clock."""
    import uvicorn

    from pipeline.base.config import Workspace
    from pipeline.serve.build import build_app, ensure_key

    workspace = Workspace.of(demo.root, os.environ)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    demo.address = f"http://127.0.0.1:{port}"
    ensure_key(workspace, "127.0.0.1")
    server = uvicorn.Server(
        uvicorn.Config(build_app(workspace, host="127.0.0.1", now=demo.clock), port=port, log_level="error")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait(lambda: server.started and demo.ready(), "the service is not ready")
    demo.log(f"serving at {demo.address}")
    yield
    server.should_exit = True
    thread.join(30)


def wait(done: Callable[[], bool], why: str) -> None:
    """Wait up to 20 s until it is done; end the demo with the reason otherwise."""
    for _ in range(200):
        if done():
            return
        time.sleep(0.1)
    raise SystemExit(f"{why} within 20 s")
