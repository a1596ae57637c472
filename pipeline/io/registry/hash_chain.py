"""The hash chain of the ledger: each row's digest is made of its content and of the digest before it.

A row that was changed no longer fits its digest, and a row that was taken out leaves a gap. Moves keep where the other two
tables ended, so an end of them that was cut off below a move is seen too. An end above every move, and the end of the moves
themselves, show only to somebody who kept the ledger's head.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

GENESIS = "0" * 64  # what stands before the first row
KEYS = {"releases": "number", "moves": "sequence", "approvals": "sequence"}


def canonical_digest(content: object) -> str:
    """Give the SHA-256 of a value's canonical JSON: keys sorted, no spaces, ASCII only."""
    told = json.dumps(content, sort_keys=True, separators=(",", ":"), default=repr)
    return hashlib.sha256(told.encode("ascii")).hexdigest()


def row_digest(before: str, table: str, row: Row) -> str:
    """Give the digest of a row of this table: over the digest before it and every other column."""
    return canonical_digest(
        [before, table, {column: value for column, value in row.items() if column != "digest"}]
    )


def decision_digest(document: str) -> str | None:
    """Give the digest of the decision in a release's document; None where there is no document to read."""
    try:
        return canonical_digest(json.loads(document).get("decision"))
    except (ValueError, TypeError, AttributeError):
        return None


def chain_head(last: Row | None) -> str:
    """Give the digest at which a table ends, by its last row."""
    return str(last["digest"]) if last else GENESIS


def find_faults(ledger: Mapping[str, Sequence[Row]]) -> list[str]:
    """Say where the chains of the ledger's tables, their rows in order, break; then, where none does, what contradicts itself."""
    broken = [fault for table, rows in ledger.items() for fault in _breaks(table, rows)]
    return broken or [*_strange_approvals(ledger), *_strange_moves(ledger), *_cut_ends(ledger)]


def _breaks(table: str, rows: Sequence[Row]) -> Iterator[str]:
    before, expected = GENESIS, 1
    for row in rows:
        number = row[KEYS[table]]
        if number > expected:
            missing = (
                f"row {expected} is" if number == expected + 1 else f"rows {expected} to {number - 1} are"
            )
            yield f"{table}: {missing} missing before row {number}."
        elif number < expected:
            yield f"{table}: row {number} is out of order; the first is row 1."
        elif row["digest"] != row_digest(before, table, row):
            yield f"{table}: the content of row {number} was changed; its digest does not fit it and the row before."
        before, expected = row["digest"], max(number, 0) + 1


def _strange_approvals(ledger: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    for approval in ledger["approvals"]:
        if approval["release"] > len(ledger["releases"]):
            yield f"approvals: row {approval['sequence']} approves R{approval['release']}, which is missing from releases."


def _strange_moves(ledger: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    gates: dict[int, str | None] = {
        release["number"]: decision_digest(release["document"]) for release in ledger["releases"]
    }
    champion: int | None = None
    for move in ledger["moves"]:
        name = f"moves: row {move['sequence']}"
        if move["from"] != champion:
            yield f"{name} is out of order; it leaves {_named(move['from'])} while {_named(champion)} was in service."
        if move["to"] not in gates:
            yield f"{name} puts R{move['to']} in service, which is missing from releases."
        elif move["gate"] != gates[move["to"]]:
            yield f"{name} was made by another decision than the one R{move['to']} holds now."
        champion = move["to"]


def _cut_ends(ledger: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    for table in ("releases", "approvals"):
        counts = {GENESIS: 0} | {row["digest"]: count for count, row in enumerate(ledger[table], 1)}
        known = 0
        for move in ledger["moves"]:
            count = counts.get(move[table])
            if count is None:
                end = f"the end that move {move['sequence']} knew is not among its {len(counts) - 1} rows"
                yield f"{table}: {end}; rows were cut off or written anew."
            elif count < known:
                yield f"moves: row {move['sequence']} is out of order; it knew fewer {table} than the move before."
            known = max(known, count or 0)


def _named(number: int | None) -> str:
    return "nothing" if number is None else f"R{number}"
