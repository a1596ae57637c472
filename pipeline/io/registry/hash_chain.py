"""The hash chain of the ledger: the digest of a row covers its content and the digest of the row before.

A changed row does not match its digest, and a deleted row leaves a gap. Moves store the last digests of the
other two tables, so rows that were cut off below a move are detected too. Rows cut off after the last move,
and moves cut off at the end, show only beside an earlier head of the ledger.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

GENESIS = "0" * 64  # the digest before the first row
KEYS = {"releases": "number", "moves": "sequence", "approvals": "sequence"}


def canonical_digest(content: object) -> str:
    """Compute the SHA-256 of a value's canonical JSON: keys sorted, no spaces, ASCII only."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=repr)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def row_digest(before: str, table: str, row: Row) -> str:
    """Compute the digest of a row over the digest before it, the table's name and every other column."""
    return canonical_digest(
        [before, table, {column: value for column, value in row.items() if column != "digest"}]
    )


def decision_digest(document: str) -> str | None:
    """Compute the digest of the decision in a stored document; None where the document is not readable."""
    try:
        return canonical_digest(json.loads(document).get("decision"))
    except (ValueError, TypeError, AttributeError):
        return None


def chain_head(last: Row | None) -> str:
    """Return the digest of a table's last row."""
    return str(last["digest"]) if last else GENESIS


def find_faults(ledger: Mapping[str, Sequence[Row]]) -> list[str]:
    """Return a sentence for each broken link; where there is none, for each contradiction between tables."""
    broken = [fault for table, rows in ledger.items() for fault in _broken_links(table, rows)]
    return broken or [*_invalid_approvals(ledger), *_invalid_moves(ledger), *_cut_ends(ledger)]


def _broken_links(table: str, rows: Sequence[Row]) -> Iterator[str]:
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
            yield f"{table}: the content of row {number} was changed; it does not match its digest."
        before, expected = row["digest"], max(number, 0) + 1


def _invalid_approvals(ledger: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    for approval in ledger["approvals"]:
        if approval["release"] > len(ledger["releases"]):
            number = f"row {approval['sequence']}"
            yield f"approvals: {number} approves R{approval['release']}, which is missing from releases."


def _invalid_moves(ledger: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    gates: dict[int, str | None] = {
        release["number"]: decision_digest(release["document"]) for release in ledger["releases"]
    }
    champion: int | None = None
    for move in ledger["moves"]:
        name = f"moves: row {move['sequence']}"
        if move["from"] != champion:
            origin = _named(move["from"])
            yield f"{name} is out of order; it leaves {origin} while {_named(champion)} was in service."
        if move["to"] not in gates:
            yield f"{name} puts R{move['to']} in service, which is missing from releases."
        elif move["gate"] != gates[move["to"]]:
            yield f"{name} rests on another decision than the one R{move['to']} holds now."
        champion = move["to"]


def _cut_ends(ledger: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    for table in ("releases", "approvals"):
        counts = {GENESIS: 0} | {row["digest"]: count for count, row in enumerate(ledger[table], 1)}
        known = 0
        for move in ledger["moves"]:
            count = counts.get(move[table])
            if count is None:
                last = f"the last row before move {move['sequence']} is not among its {len(counts) - 1} rows"
                yield f"{table}: {last}; rows were cut off or replaced."
            elif count < known:
                row = f"row {move['sequence']} is out of order"
                yield f"moves: {row}; it follows fewer {table} than the move before."
            known = max(known, count or 0)


def _named(number: int | None) -> str:
    return "nothing" if number is None else f"R{number}"
