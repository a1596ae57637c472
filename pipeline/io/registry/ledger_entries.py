"""What the ledger returns: releases, approvals and moves of the champion, and who served when."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.base.documents import MoveRecord, ReignRecord, ReleaseRecord, upgrade_release
from pipeline.base.errors import Fault
from pipeline.io.registry.hash_chain import Row


@dataclass(frozen=True)
class Release:
    """One judged candidate; `record` has today's keys whichever version wrote it."""

    name: str
    identity: str
    created: str
    record: ReleaseRecord

    @classmethod
    def of(cls, row: Row) -> "Release":
        """Read a row of the table `releases`."""
        name = f"R{row['number']}"
        try:
            document = json.loads(row["document"])
        except ValueError as error:
            raise Fault(
                f"The ledger's row of {name} is damaged: its document is not JSON. "
                "Restore the ledger from a backup."
            ) from error
        record = upgrade_release({"release": name, "created": row["created"], **document})
        return cls(name, row["identity"], row["created"], record)


@dataclass(frozen=True)
class Approval:
    """Who approved a release that waited for a person, when (UTC) and why."""

    sequence: int
    release: str
    actor: str
    reason: str
    time: str

    @classmethod
    def of(cls, row: Row) -> "Approval":
        """Read a row of the table `approvals`."""
        return cls(row["sequence"], f"R{row['release']}", row["actor"], row["reason"], row["time"])


@dataclass(frozen=True)
class ChampionMove:
    """A change of the champion; `origin` is None for the first, `gate` digests the decision on the target."""

    sequence: int
    origin: str | None
    target: str
    actor: str
    reason: str
    time: str
    gate: str

    @classmethod
    def of(cls, row: Row) -> "ChampionMove":
        """Read a row of the table `moves`."""
        origin = None if row["from"] is None else f"R{row['from']}"
        return cls(
            row["sequence"], origin, f"R{row['to']}", row["actor"], row["reason"], row["time"], row["gate"]
        )

    @property
    def is_rollback(self) -> bool:
        """Whether the move goes to an older release."""
        return self.origin is not None and int(self.target[1:]) < int(self.origin[1:])

    def as_dict(self) -> MoveRecord:
        """Return the move under the column names of the ledger."""
        return {
            "sequence": self.sequence,
            "from": self.origin,
            "to": self.target,
            "actor": self.actor,
            "reason": self.reason,
            "time": self.time,
            "gate": self.gate,
        }


def reigns(moves: Sequence[ChampionMove]) -> list[ReignRecord]:
    """Return who served from when until when, in the order of the moves (oldest first)."""
    ends = [*(move.time for move in moves[1:]), None]
    return [
        {**move.as_dict(), "until": end, "kind": _kind(move)}
        for move, end in zip(moves, ends[: len(moves)], strict=True)
    ]


def _kind(move: ChampionMove) -> Literal["first", "on", "back"]:
    if move.origin is None:
        return "first"
    return "back" if move.is_rollback else "on"
