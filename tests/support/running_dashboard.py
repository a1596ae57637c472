"""The dashboard of a small workspace on a port: two champions, a waiting release, keys and window reports."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
import window_fixtures
import world

from pipeline.base.config import Workspace
from pipeline.io.registry.ledger import Ledger
from pipeline.io.security import api_keys
from pipeline.serve.build import build_app

# A topic, a reason or an alert may have this text; none of it may run.
HOSTILE = "</script><script>window.ran = 1</script><img src=x onerror='window.ran = 2'>"


@dataclass(frozen=True)
class Dashboard:
    """Hold the address of the service, and its API keys and their ids by scope."""

    workspace: Workspace
    address: str
    keys: dict[str, str]
    ids: dict[str, str]

    @property
    def champion(self) -> str | None:
        """Return the champion's name from the ledger."""
        return Ledger(self.workspace.ledger).champion()


@contextlib.contextmanager
def run_dashboard(root: Path) -> Iterator[Dashboard]:
    """Build the workspace and serve it on a free port."""
    workspace = world.build(root, f"sqlite:///{root}/.tonewatch/mlflow.db")
    (root / ".tonewatch").mkdir(exist_ok=True)
    world.serve(workspace, wrong=10)
    world.serve(workspace, wrong=20)
    world.set_gate(workspace, approval="human")
    world.judged(workspace, wrong=290)
    window_fixtures.write(workspace.windows, topics=("phones", HOSTILE))
    now = datetime.now(UTC)
    keys = {
        scope: api_keys.create_key(workspace.keys, name=f"{scope} <b>", scopes=[scope], days=None, now=now)
        for scope in api_keys.SCOPES
    }
    app = build_app(workspace, host="127.0.0.1")
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Dashboard(
        workspace,
        f"http://127.0.0.1:{port}",
        {scope: secret for scope, (_, secret) in keys.items()},
        {scope: key.id for scope, (key, _) in keys.items()},
    )
    server.should_exit = True
    thread.join(20)
