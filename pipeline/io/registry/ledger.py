"""The release ledger: what was judged, who approved, and every move of the champion. Rows are added and never changed.

It is the truth; MLflow's aliases and the work tree's dvc.lock follow it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.base.errors import ChampionChanged, Fault, UsageError
from pipeline.io.registry import hash_chain
from pipeline.io.registry.database import Database, database_time
from pipeline.io.registry.ledger_tables import key_column, ledger_schema

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True)
class Release:
    """Hold one judged candidate as it was recorded."""

    name: str
    identity: str
    created: str
    document: Mapping[str, Any]


@dataclass(frozen=True)
class Approval:
    """Hold who let a release serve that waited for a person, and why."""

    sequence: int
    release: str
    actor: str
    reason: str
    time: str

    def as_dict(self) -> dict[str, Any]:
        """Give plain values under the ledger's own column names."""
        return {
            "sequence": self.sequence,
            "release": self.release,
            "actor": self.actor,
            "reason": self.reason,
            "time": self.time,
        }


@dataclass(frozen=True)
class ChampionMove:
    """Hold one change of the champion; `origin` is None for the first, `gate` is the digest of the target's decision."""

    sequence: int
    origin: str | None
    target: str
    actor: str
    reason: str
    time: str
    gate: str

    def as_dict(self) -> dict[str, Any]:
        """Give plain values under the ledger's own column names."""
        return {
            "sequence": self.sequence,
            "from": self.origin,
            "to": self.target,
            "actor": self.actor,
            "reason": self.reason,
            "time": self.time,
            "gate": self.gate,
        }


class Ledger:
    """Read and extend one ledger; its tables come to be at the first use."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def add(self, document: Mapping[str, Any]) -> Release:
        """Record a judged candidate under the next number; one already known by its `identity` is given back unchanged.

        The release is named and dated by the ledger, so the document comes without `release` and `created`.
        """
        assert not {"release", "created"} & set(document)
        identity, told = str(document["identity"]), json.dumps(dict(document), allow_nan=False)
        with self._database.writing() as connection:
            known = _rows(connection, "releases", identity=identity)
            return _release(
                known[0] if known else _append(connection, "releases", identity=identity, document=told)
            )

    def get(self, name: str) -> Release:
        """Give one release by its name; raises WrongUse that lists the known ones."""
        with self._database.reading() as connection:
            return _release(_named(connection, name))

    def find(self, identity: str) -> Release | None:
        """Give the release with this identity, if it was recorded."""
        found = self._read("releases", identity=identity)
        return _release(found[0]) if found else None

    def releases(self) -> list[Release]:
        """Give every release, the oldest first."""
        return [_release(row) for row in self._read("releases")]

    def approve(self, name: str, *, actor: str, reason: str) -> Approval:
        """Record who lets a release serve and why; one that was approved before keeps its first approval."""
        _writable(actor=actor, reason=reason)
        with self._database.writing() as connection:
            number = _named(connection, name)["number"]
            known = _rows(connection, "approvals", release=number)
            return _approval(
                known[0]
                if known
                else _append(connection, "approvals", release=number, actor=actor, reason=reason)
            )

    def approval(self, name: str) -> Approval | None:
        """Give the approval of a release, if somebody gave it."""
        with self._database.reading() as connection:
            found = _rows(connection, "approvals", release=_named(connection, name)["number"])
        return _approval(found[0]) if found else None

    def moves(self) -> list[ChampionMove]:
        """Give every move, the oldest first."""
        return [_move(row) for row in self._read("moves")]

    def current(self) -> str | None:
        """Name the release in service."""
        moves = self.moves()
        return moves[-1].target if moves else None

    def previous(self) -> str | None:
        """Name the release that was in service before the last move."""
        moves = self.moves()
        return moves[-1].origin if moves else None

    def move(self, *, expected: str | None, target: str, actor: str, reason: str) -> ChampionMove:
        """Put a release in service if the one in service is still the one expected, in one transaction.

        Raises StaleMove, which names who was first, and leaves the ledger as it was.
        """
        _writable(actor=actor, reason=reason)
        with self._database.writing() as connection:
            release, row = _named(connection, target), _last(connection, "moves")
            last = _move(row) if row else None
            if (last.target if last else None) != expected:
                raise _stale(expected, last)
            values = {
                "from": row and row["to"],
                "to": release["number"],
                "actor": actor,
                "reason": reason,
                "gate": hash_chain.decision_digest(release["document"]),
                **{
                    table: hash_chain.chain_head(_last(connection, table))
                    for table in ("releases", "approvals")
                },
            }
            return _move(_append(connection, "moves", **values))

    def faults(self) -> list[str]:
        """Say where somebody changed, removed or reordered rows by hand, in a sentence each; none when all is as it was written."""
        with self._database.reading() as connection:
            return hash_chain.find_faults(
                {table: _rows(connection, table) for table in ledger_schema().tables}
            )

    def head(self) -> str:
        """Give one digest of the whole ledger; kept elsewhere, it shows later whether an end was cut off."""
        with self._database.reading() as connection:
            return hash_chain.canonical_digest(
                {table: hash_chain.chain_head(_last(connection, table)) for table in ledger_schema().tables}
            )

    def _read(self, table: str, **where: object) -> list[hash_chain.Row]:
        with self._database.reading() as connection:
            return _rows(connection, table, **where)


def _rows(connection: "Connection", name: str, **where: object) -> list[hash_chain.Row]:
    from sqlalchemy import select

    table = ledger_schema().tables[name]
    query = select(table).filter_by(**where).order_by(key_column(table))
    return [dict(row) for row in connection.execute(query).mappings()]


def _named(connection: "Connection", name: str) -> hash_chain.Row:
    """Find a release by its name; raises WrongUse that lists the known ones."""
    number = int(name[1:]) if name[:1] == "R" and name[1:].isdecimal() and name.isascii() else 0
    found = _rows(connection, "releases", number=number) if 0 < number < 2**31 else []
    if not found:
        known = (
            ", ".join(f"R{row['number']}" for row in _rows(connection, "releases"))
            or "none yet; `tonewatch run` makes the first"
        )
        raise UsageError(f"The ledger has no release {name!r} (known: {known}).")
    return found[0]


def _last(connection: "Connection", name: str) -> hash_chain.Row | None:
    from sqlalchemy import select

    table = ledger_schema().tables[name]
    row = connection.execute(select(table).order_by(key_column(table).desc()).limit(1)).mappings().first()
    return dict(row) if row else None


def _append(connection: "Connection", name: str, **values: object) -> hash_chain.Row:
    from sqlalchemy import insert

    key, last = hash_chain.KEYS[name], _last(connection, name)
    stamp = "created" if name == "releases" else "time"
    row = {key: (last[key] if last else 0) + 1, **values, stamp: database_time(connection)}
    row["digest"] = hash_chain.row_digest(hash_chain.chain_head(last), name, row)
    connection.execute(insert(ledger_schema().tables[name]).values(row))
    return row


def _release(row: hash_chain.Row) -> Release:
    name = f"R{row['number']}"
    try:
        document = json.loads(row["document"])
    except ValueError as error:
        raise Fault(
            f"The ledger's row of {name} was damaged: its document is no JSON. Restore the ledger from a backup."
        ) from error
    return Release(
        name, row["identity"], row["created"], {"release": name, "created": row["created"], **document}
    )


def _approval(row: hash_chain.Row) -> Approval:
    return Approval(row["sequence"], f"R{row['release']}", row["actor"], row["reason"], row["time"])


def _move(row: hash_chain.Row) -> ChampionMove:
    origin = None if row["from"] is None else f"R{row['from']}"
    return ChampionMove(
        row["sequence"], origin, f"R{row['to']}", row["actor"], row["reason"], row["time"], row["gate"]
    )


def _writable(**words: str) -> None:
    """Refuse what a database cannot keep: PostgreSQL no NUL, none of them half a character."""
    for name, word in words.items():
        if "\0" in word or any("\ud800" <= character <= "\udfff" for character in word):
            raise UsageError(
                f"The {name} holds characters that cannot be kept: {word!a}. Write it again without them."
            )


def _stale(expected: str | None, last: ChampionMove | None) -> ChampionChanged:
    if last is None:
        return ChampionChanged(
            f"No release is in service, but this move expected {expected}. Look with `tonewatch release list`."
        )
    return ChampionChanged(
        f"{last.target} is in service now and not {expected or 'nothing'}: {last.actor} moved it at {last.time} ({last.reason}). "
        "Nothing was changed. Look with `tonewatch release list`, then type the same again if it still holds."
    )
