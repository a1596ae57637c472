"""The release ledger: what was judged, and every move of the champion. Rows are added and never changed.

It is the truth; MLflow's aliases and the work tree's dvc.lock follow it.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import StaleMove, Unreachable, WrongUse
from pipeline.registry import database

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


@dataclass(frozen=True)
class Release:
    """Hold one judged candidate as it was recorded."""

    name: str
    identity: str
    created: str
    document: Mapping[str, Any]


@dataclass(frozen=True)
class Move:
    """Hold one change of the champion; `origin` is None for the first."""

    sequence: int
    origin: str | None
    target: str
    actor: str
    reason: str
    time: str

    def as_dict(self) -> dict[str, Any]:
        """Give plain values under the ledger's own column names."""
        return {
            "sequence": self.sequence,
            "from": self.origin,
            "to": self.target,
            "actor": self.actor,
            "reason": self.reason,
            "time": self.time,
        }


class Ledger:
    """Read and extend one ledger; its tables come to be at the first use."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: Engine | None = None

    def add(self, document: Mapping[str, Any]) -> Release:
        """Record a judged candidate under the next number; one already known by its `identity` is given back unchanged.

        The release is named and dated by the ledger, so the document comes without `release` and `created`.
        """
        from sqlalchemy import func, insert, select
        from sqlalchemy.exc import IntegrityError

        releases = database.schema().tables["releases"]
        assert not {"release", "created"} & set(document)
        while (known := self.find(document["identity"])) is None:
            # Another writer may take the number or the identity between the look and the insert: then look again.
            with contextlib.suppress(IntegrityError), self._transaction() as connection:
                number = (connection.scalar(select(func.max(releases.c.number))) or 0) + 1
                connection.execute(insert(releases).values(number=number, identity=document["identity"], document=dict(document)))
        return known

    def get(self, name: str) -> Release:
        """Give one release by its name; raises WrongUse that lists the known ones."""
        number = int(name[1:]) if name[:1] == "R" and name[1:].isdecimal() and name.isascii() else 0
        found = self._releases("number", number) if 0 < number < 2**31 else []
        if not found:
            known = ", ".join(release.name for release in self.releases()) or "none yet; `tonewatch run` makes the first"
            raise WrongUse(f"The ledger has no release {name!r} (known: {known}).")
        return found[0]

    def find(self, identity: str) -> Release | None:
        """Give the release with this identity, if it was recorded."""
        found = self._releases("identity", identity)
        return found[0] if found else None

    def releases(self) -> list[Release]:
        """Give every release, the oldest first."""
        return self._releases(None, None)

    def moves(self) -> list[Move]:
        """Give every move, the oldest first."""
        from sqlalchemy import select

        moves = database.schema().tables["moves"]
        with self._transaction(write=False) as connection:
            rows = connection.execute(select(moves).order_by(moves.c.sequence)).mappings().all()
        return [_move(row) for row in rows]

    def current(self) -> str | None:
        """Name the release in service."""
        moves = self.moves()
        return moves[-1].target if moves else None

    def previous(self) -> str | None:
        """Name the release that was in service before the last move."""
        moves = self.moves()
        return moves[-1].origin if moves else None

    def move(self, *, expected: str | None, target: str, actor: str, reason: str) -> Move:
        """Put a release in service if the one in service is still the one expected, in one transaction.

        Raises StaleMove, which names who was first, and leaves the ledger as it was.
        """
        from sqlalchemy import insert, select
        from sqlalchemy.exc import IntegrityError

        moves, number = database.schema().tables["moves"], _number(self.get(target).name)
        try:
            with self._transaction() as connection:
                row = connection.execute(select(moves).order_by(moves.c.sequence.desc()).limit(1)).mappings().first()
                last = _move(row) if row else None
                if (last.target if last else None) != expected:
                    raise _stale(expected, last)
                # The primary key is the compare-and-swap: two writers cannot both add the same next move.
                sequence = (last.sequence if last else 0) + 1
                values = {"sequence": sequence, "from": expected and _number(expected), "to": number, "actor": actor, "reason": reason}
                connection.execute(insert(moves).values(values))
        except IntegrityError as error:
            raise _stale(expected, self.moves()[-1]) from error
        return next(move for move in self.moves() if move.sequence == sequence)

    def _releases(self, column: str | None, value: object) -> list[Release]:
        from sqlalchemy import select

        releases = database.schema().tables["releases"]
        query = select(releases).order_by(releases.c.number)
        with self._transaction(write=False) as connection:
            rows = connection.execute(query if column is None else query.where(releases.c[column] == value)).mappings().all()
        return [_release(row) for row in rows]

    @contextlib.contextmanager
    def _transaction(self, *, write: bool = True) -> Iterator["Connection"]:
        from sqlalchemy.exc import DBAPIError, IntegrityError

        try:
            if self._engine is None:
                self._engine = database.open_engine(self._url)
            with self._engine.connect().execution_options(writes=write) as connection, connection.begin():
                yield connection
        except IntegrityError:
            raise
        except DBAPIError as error:
            place = self._url.rpartition("@")[2]
            raise Unreachable(
                f"The ledger at {place} does not answer: {error.orig}. Look at TONEWATCH_LEDGER, then type the same again."
            ) from error


def _release(row: Any) -> Release:
    name, created = f"R{row['number']}", _utc(row["created"])
    return Release(name, row["identity"], created, {"release": name, "created": created, **row["document"]})


def _move(row: Any) -> Move:
    origin = None if row["from"] is None else f"R{row['from']}"
    return Move(row["sequence"], origin, f"R{row['to']}", row["actor"], row["reason"], _utc(row["time"]))


def _number(name: str) -> int:
    return int(name.removeprefix("R"))


def _utc(time: Any) -> str:
    from datetime import UTC

    # SQLite keeps UTC without saying so; PostgreSQL says so.
    known = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return str(known.strftime("%Y-%m-%dT%H:%M:%SZ"))


def _stale(expected: str | None, last: Move | None) -> StaleMove:
    if last is None:
        return StaleMove(f"No release is in service, but this move expected {expected}. Look with `tonewatch release list`.")
    return StaleMove(
        f"{last.target} is in service now and not {expected or 'nothing'}: {last.actor} moved it at {last.time} ({last.reason}). "
        "Nothing was changed. Look with `tonewatch release list`, then type the same again if it still holds."
    )
