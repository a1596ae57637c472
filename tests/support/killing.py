"""Move the champion many times, each time in a process that kills itself at one write; print the states.

    python killing.py ROOT MLFLOW LEDGER ROUNDS

Everything heavy is imported once; each round is a fork, which starts like a fresh process.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import sqlalchemy
from sqlalchemy import event

from pipeline.base.config import Workspace
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.mlflow_models import ModelRegistry
from pipeline.release import promote, reconcile

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
FILES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink"}
SQL = ("INSERT", "UPDATE", "DELETE")


class Writes:
    """Count every write of this process to files and databases, and kill it just before one of them."""

    def __init__(self, fatal: int | None) -> None:
        self.fatal = fatal
        self.names: list[str] = []
        sys.addaudithook(self._file)
        event.listen(sqlalchemy.Engine, "before_cursor_execute", self._sql)
        event.listen(sqlalchemy.Engine, "commit", lambda _: self._point("commit"))

    def _file(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name in FILES or (name == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING):
            self._point(f"{name} {Path(str(arguments[0])).name}")

    def _sql(self, _connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.lstrip().upper().startswith(SQL):
            self._point(" ".join(statement.split()[:3]))

    def _point(self, name: str) -> None:
        if len(self.names) == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        self.names.append(name)


def forked(work: Callable[[], Any]) -> tuple[int, Any]:
    """Run work in a fork; return its exit code (a negative signal) and its result."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        try:
            os.write(writing, json.dumps(work()).encode())
            os._exit(0)
        except BaseException as error:
            os.write(writing, json.dumps(repr(error)).encode())
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        result = pipe.read()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), json.loads(result) if result else None


def moved(places: Workspace, fatal: int | None) -> list[str]:
    """Move to the other of two releases; return the writes."""
    writes = Writes(fatal)
    move(places)
    writes.fatal = None
    return writes.names


def move(places: Workspace) -> None:
    """Move to the other of two releases."""
    if Ledger(places.ledger).champion() == "R2":
        promote.rollback(places, to=None, actor="ada", reason="a round")
    else:
        promote.promote(places, "R2", actor="ada", reason="a round")


def warm(places: Workspace) -> None:
    """Do everything once on a copy, so that no round has to import or compile anything."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(shutil.copytree(places.root, Path(folder) / "copy"))
        copied = Workspace(
            root, *(place.replace(str(places.root), str(root)) for place in (places.mlflow, places.ledger))
        )
        move(copied)
        state(copied)


def state(places: Workspace) -> dict[str, Any]:
    """Do what any next command does first; return the state afterwards."""
    reconcile.finish_interrupted_move(places)
    ledger, diff = Ledger(places.ledger), reconcile.diff(places)
    return {
        "champion": ledger.champion(),
        "moves": len(ledger.moves()),
        "faults": ledger.faults(),
        "diff": [*diff.done, *diff.pending],
        "aliases": ModelRegistry(places.mlflow).aliases(),
        "margin": next(
            line.strip()
            for line in places.params.read_text("utf-8").splitlines()
            if "champion_margin" in line
        ),
    }


def main() -> None:
    """Print one JSON line: the writes of an undisturbed move, and each round."""
    root, uri, ledger, rounds = sys.argv[1:]
    places = Workspace(Path(root), uri, ledger)
    assert mlflow
    # The smoke test writes nothing; a second of it in each round would show nothing.
    promote.smoke_test = lambda *_: 0.0
    warm(places)
    _, writes = forked(lambda: moved(places, None))
    assert isinstance(writes, list), writes
    _, last = forked(lambda: state(places))
    rounds_done = []
    for number in range(int(rounds)):
        # Spread over the whole move: the first writes lie before the commit, the last ones after it.
        before, fatal = last, number * len(writes) // int(rounds)
        exit_code, error = forked(lambda fatal=fatal: moved(places, fatal))
        _, last = forked(lambda: state(places))
        rounds_done.append(
            {
                "fatal": writes[fatal],
                "exit_code": exit_code,
                "error": error if exit_code == 1 else None,
                "before": before,
                "after": last,
            }
        )
    print(json.dumps({"writes": writes, "rounds": rounds_done}))


if __name__ == "__main__":
    main()
