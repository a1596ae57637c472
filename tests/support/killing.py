"""Move the champion many times, each time in a process that kills itself at one of its writes; print what was found afterwards.

    python killing.py ROOT MLFLOW LEDGER ROUNDS

Everything heavy is imported once; each round is a fork, so it begins as a fresh process would, a second later.
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
        self.seen: list[str] = []
        sys.addaudithook(self._file)
        event.listen(sqlalchemy.Engine, "before_cursor_execute", self._sql)
        event.listen(sqlalchemy.Engine, "commit", lambda _: self._point("commit"))

    def _file(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name in FILES or (name == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING):
            self._point(f"{name} {Path(str(arguments[0])).name}")

    def _sql(self, _connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.lstrip().upper().startswith(SQL):
            self._point(" ".join(statement.split()[:3]))

    def _point(self, what: str) -> None:
        if len(self.seen) == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        self.seen.append(what)


def forked(work: Callable[[], Any]) -> tuple[int, Any]:
    """Do work in a fork; give how it ended (a negative signal) and what it returned."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        try:
            answer = json.dumps(work()).encode()
            os.write(writing, answer)
            os._exit(0)
        except BaseException as error:
            os.write(writing, json.dumps(repr(error)).encode())
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), json.loads(answer) if answer else None


def moved(places: Workspace, fatal: int | None) -> list[str]:
    """Go to the other of two releases; give the writes that were made."""
    writes = Writes(fatal)
    move(places)
    writes.fatal = None
    return writes.seen


def move(places: Workspace) -> None:
    """Go to the other of two releases."""
    if Ledger(places.ledger).current() == "R2":
        promote.rollback(places, to=None, actor="ada", reason="a round")
    else:
        promote.promote(places, "R2", actor="ada", reason="a round")


def warm(places: Workspace) -> None:
    """Do all of it once on a copy, so that no round has to import or to compile anything."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(shutil.copytree(places.root, Path(folder) / "copy"))
        copied = Workspace(
            root, *(place.replace(str(places.root), str(root)) for place in (places.mlflow, places.ledger))
        )
        move(copied)
        found(copied)


def found(places: Workspace) -> dict[str, Any]:
    """Do what any next command does first, and tell how things stand."""
    promote.finish_interrupted_move(places)
    ledger, differing = Ledger(places.ledger), reconcile.diff(places)
    return {
        "current": ledger.current(),
        "moves": len(ledger.moves()),
        "faults": ledger.faults(),
        "differing": [*differing.done, *differing.pending],
        "aliases": ModelRegistry(places.mlflow).aliases(),
        "margin": next(
            line.strip()
            for line in places.params.read_text("utf-8").splitlines()
            if "champion_margin" in line
        ),
    }


def main() -> None:
    """Print one JSON line: the writes of an unhurt move, and each round."""
    root, uri, ledger, rounds = sys.argv[1:]
    places = Workspace(Path(root), uri, ledger)
    assert mlflow
    # It writes nothing and is over before the first write; a second in each of many rounds would tell nothing.
    promote.smoke_test = lambda *_: 0.0
    warm(places)
    _, writes = forked(lambda: moved(places, None))
    assert isinstance(writes, list), writes
    _, state = forked(lambda: found(places))
    told = []
    for number in range(int(rounds)):
        before, fatal = state, number % len(writes)
        ended, said = forked(lambda fatal=fatal: moved(places, fatal))
        _, state = forked(lambda: found(places))
        told.append(
            {
                "fatal": writes[fatal],
                "ended": ended,
                "said": said if ended == 1 else None,
                "before": before,
                "after": state,
            }
        )
    print(json.dumps({"writes": writes, "rounds": told}))


if __name__ == "__main__":
    main()
