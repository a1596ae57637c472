"""The release ledger: judged candidates, approvals, and moves of the champion. Rows are only ever added.

The ledger decides which release is the champion; MLflow's aliases and the working tree's dvc.lock follow it.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.base.documents import ReignRecord
from pipeline.base.errors import ChampionChanged, UsageError
from pipeline.io.registry import hash_chain
from pipeline.io.registry.database import Database, database_time
from pipeline.io.registry.ledger_entries import Approval, ChampionMove, Release, reigns
from pipeline.io.registry.ledger_tables import key_column, ledger_schema

if TYPE_CHECKING:
    from sqlalchemy import Connection

MAX_NAME = 20  # characters of the name of a release


class Ledger:
    """One ledger, read and extended; its tables are created at the first use."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def add(self, candidate: Mapping[str, object]) -> Release:
        """Record a judged candidate (`CandidateRecord`); return the existing release of a known identity.

        The ledger adds `release` and `created`, so the candidate must not hold them.
        """
        with self._database.writing() as connection:
            return _add_release(connection, candidate)

    def add_following(self, candidate: Mapping[str, object], releases: int) -> Release | None:
        """Record a candidate that was judged by a ledger of so many releases; None where it has grown since.

        Counting the looks at a test split and recording one is one transaction.
        """
        with self._database.writing() as connection:
            last = _last(connection, "releases")
            if (last["number"] if last else 0) != releases:
                rows = _rows(connection, "releases", identity=str(candidate["identity"]))
                return Release.of(rows[0]) if rows else None
            return _add_release(connection, candidate)

    def get(self, name: str) -> Release:
        """Return a release by its name; raise UsageError that lists the known ones."""
        with self._database.reading() as connection:
            return Release.of(_release_row(connection, name))

    def find(self, identity: str) -> Release | None:
        """Return the release with this identity, None where there is none."""
        rows = self._read("releases", identity=identity)
        return Release.of(rows[0]) if rows else None

    def releases(self) -> list[Release]:
        """Return all releases, oldest first."""
        return [Release.of(row) for row in self._read("releases")]

    def approve(self, name: str, *, actor: str, reason: str) -> Approval:
        """Record who approves a release and why; an earlier approval stays and is returned."""
        _ensure_storable(actor=actor, reason=reason)
        with self._database.writing() as connection:
            number = _release_row(connection, name)["number"]
            rows = _rows(connection, "approvals", release=number)
            if not rows:
                rows = [_append(connection, "approvals", release=number, actor=actor, reason=reason)]
            return Approval.of(rows[0])

    def approval(self, name: str) -> Approval | None:
        """Return the approval of a release, None where nobody approved it."""
        with self._database.reading() as connection:
            rows = _rows(connection, "approvals", release=_release_row(connection, name)["number"])
        return Approval.of(rows[0]) if rows else None

    def moves(self) -> list[ChampionMove]:
        """Return all moves of the champion, oldest first."""
        return [ChampionMove.of(row) for row in self._read("moves")]

    def reigns(self) -> list[ReignRecord]:
        """Return who served from when until when, oldest first."""
        return reigns(self.moves())

    def last_move(self) -> ChampionMove | None:
        """Return the last move, None where no release ever served."""
        with self._database.reading() as connection:
            row = _last(connection, "moves")
        return ChampionMove.of(row) if row else None

    def champion(self) -> str | None:
        """Return the name of the champion, the release in service."""
        move = self.last_move()
        return move.target if move else None

    def previous(self) -> str | None:
        """Return the name of the release that served before the champion."""
        move = self.last_move()
        return move.origin if move else None

    def move(self, *, expected: str | None, target: str, actor: str, reason: str) -> ChampionMove:
        """Make a release the champion, in one transaction and only if the champion is the expected one.

        Otherwise raises ChampionChanged, which names the move in between, and leaves the ledger as it is.
        """
        _ensure_storable(actor=actor, reason=reason)
        with self._database.writing() as connection:
            release, row = _release_row(connection, target), _last(connection, "moves")
            last = ChampionMove.of(row) if row else None
            if (last.target if last else None) != expected:
                raise _champion_changed(expected, last)
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
            return ChampionMove.of(_append(connection, "moves", **values))

    def faults(self) -> list[str]:
        """Return a sentence for each place where rows were changed, removed or reordered by hand."""
        with self._database.reading() as connection:
            return hash_chain.find_faults(
                {table: _rows(connection, table) for table in ledger_schema().tables}
            )

    def head(self) -> str:
        """Return a digest of the whole ledger; whoever keeps it can tell later that rows were cut off."""
        with self._database.reading() as connection:
            return hash_chain.canonical_digest(
                {table: hash_chain.chain_head(_last(connection, table)) for table in ledger_schema().tables}
            )

    def _read(self, table: str, **where: object) -> list[hash_chain.Row]:
        with self._database.reading() as connection:
            return _rows(connection, table, **where)


def _add_release(connection: "Connection", candidate: Mapping[str, object]) -> Release:
    assert not {"release", "created"} & set(candidate)
    identity, document = str(candidate["identity"]), json.dumps(dict(candidate), allow_nan=False)
    rows = _rows(connection, "releases", identity=identity)
    return Release.of(
        rows[0] if rows else _append(connection, "releases", identity=identity, document=document)
    )


def _rows(connection: "Connection", name: str, **where: object) -> list[hash_chain.Row]:
    from sqlalchemy import select

    table = ledger_schema().tables[name]
    query = select(table).filter_by(**where).order_by(key_column(table))
    return [dict(row) for row in connection.execute(query).mappings()]


def _release_row(connection: "Connection", name: str) -> hash_chain.Row:
    is_name = len(name) <= MAX_NAME and name[:1] == "R" and name[1:].isdecimal() and name.isascii()
    number = int(name[1:]) if is_name else 0
    rows = _rows(connection, "releases", number=number) if 0 < number < 2**31 else []
    if not rows:
        known = (
            ", ".join(f"R{row['number']}" for row in _rows(connection, "releases"))
            or "none yet; `tonewatch run` creates the first"
        )
        raise UsageError(f"The ledger has no release {name!r} (known: {known}).")
    return rows[0]


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


def _ensure_storable(**columns: str) -> None:
    """Reject NUL, which PostgreSQL cannot store, and half a surrogate pair, which no database can."""
    for name, text in columns.items():
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise UsageError(
                f"The {name} contains characters that cannot be stored: {text!a}. Write it without them."
            )


def _champion_changed(expected: str | None, last: ChampionMove | None) -> ChampionChanged:
    if last is None:
        return ChampionChanged(
            f"No release is in service, but this move expected {expected}. See `tonewatch release list`."
        )
    return ChampionChanged(
        f"{last.target} is in service now, not {expected or 'nothing'}: {last.actor} moved it at {last.time} "
        f"({last.reason}). Nothing was changed. See `tonewatch release list` before you repeat the move."
    )
