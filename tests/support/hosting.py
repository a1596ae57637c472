"""The service of a small world, really listening: two releases that served, one that waits, keys, and windows that were watched."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import seen
import uvicorn
import world

from pipeline.base.config import Workspace
from pipeline.io.registry.ledger import Ledger
from pipeline.io.security import api_keys as keys
from pipeline.serve.main import build_app

# What somebody could have called a topic, a reason or an alert; none of it may ever run.
HOSTILE = "</script><script>window.ran = 1</script><img src=x onerror='window.ran = 2'>"


@dataclass(frozen=True)
class Hosted:
    """Hold where the service listens, and keys to it by their scope."""

    places: Workspace
    address: str
    keys: dict[str, str]
    ids: dict[str, str]

    @property
    def champion(self) -> str | None:
        """Name the release in service by the ledger."""
        return Ledger(self.places.ledger).current()


@contextlib.contextmanager
def hosted(root: Path) -> Iterator[Hosted]:
    """Build the world and serve it on a free port of this machine."""
    places = world.build(root, f"sqlite:///{root}/.tonewatch/mlflow.db")
    (root / ".tonewatch").mkdir(exist_ok=True)
    world.serve(places, wrong=10)
    world.serve(places, wrong=20)
    world.set_gate(places, approval="human")
    world.judged(places, wrong=290)
    seen.write(places.windows, topics=("phones", HOSTILE))
    made = {
        scope: keys.create_key(
            places.keys, name=f"{scope} <b>", scopes=[scope], days=None, now=datetime.now(UTC)
        )
        for scope in keys.SCOPES
    }
    server = uvicorn.Server(
        uvicorn.Config(build_app(places, host="127.0.0.1"), host="127.0.0.1", port=0, log_level="error")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Hosted(
        places,
        f"http://127.0.0.1:{port}",
        {name: told for name, (_, told) in made.items()},
        {name: key.id for name, (key, _) in made.items()},
    )
    server.should_exit = True
    thread.join(20)
