"""The hash chain is intact after any sequence of calls, and shows any later edit by hand."""

from collections.abc import Callable
from typing import Any

from hypothesis import Phase, given, note, settings
from hypothesis import strategies as st
from tampering import execute, tamper

from pipeline.base.errors import ChampionChanged, UsageError
from pipeline.io.registry import hash_chain
from pipeline.io.registry.ledger import Ledger

# Without shrinking: the examples are short, and it would take minutes.
BOUNDED = settings(deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
Step = tuple[str, int, str]  # action, number of the release, actor and reason

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
steps = st.tuples(st.sampled_from(["add", "move", "stale move", "approve"]), st.integers(1, 4), texts)
sequences = st.lists(steps, min_size=3, max_size=12)


def take(ledger: Ledger, step: Step, champion: str | None) -> str | None:
    """Take one step; return the release that must be the champion after it."""
    action, number, text = step
    name = f"R{number}"
    try:
        if action == "add":
            ledger.add({"identity": str(number), "decision": {"text": text}})
        elif action == "approve":
            ledger.approve(name, actor=text, reason=text)
        else:
            ledger.move(expected=champion if action == "move" else "R9", target=name, actor=text, reason=text)
            return name
    except (ChampionChanged, UsageError) as error:
        note(f"{step}: {error}")
    return champion


@settings(BOUNDED, max_examples=12)
@given(taken=sequences)
def test_the_chain_is_intact_after_any_calls(fresh_ledger: Callable[[], str], taken: list[Step]) -> None:
    url = fresh_ledger()
    ledgers = [Ledger(url), Ledger(url)]  # two writers in turn
    champion: str | None = None
    served: list[str | None] = [None]
    for index, step in enumerate(taken):
        after = take(ledgers[index % 2], step, champion)
        served += [after] if step[0] == "move" and len(ledgers[0].moves()) == len(served) else []
        champion = after
        assert ledgers[0].champion() == champion

    moves, releases = ledgers[0].moves(), ledgers[0].releases()
    assert ledgers[1].faults() == []
    assert [move.origin for move in moves] + [champion] == served
    assert [move.target for move in moves] == served[1:]
    assert [release.name for release in releases] == [f"R{number}" for number in range(1, len(releases) + 1)]


FULL: list[Step] = [
    ("add", 1, "a"),
    ("add", 2, "b"),
    ("approve", 2, "c"),
    ("move", 1, "d"),
    ("move", 2, "e"),
    ("approve", 1, "f"),
]


@settings(BOUNDED, max_examples=20)
@given(taken=st.lists(steps, max_size=3), data=st.data())
def test_any_edited_field_of_any_row_is_detected(
    fresh_ledger: Callable[[], str], taken: list[Step], data: st.DataObject
) -> None:
    url = fresh_ledger()
    ledger = Ledger(url)
    champion = None
    for step in (*FULL, *taken):
        champion = take(ledger, step, champion)
    table = data.draw(st.sampled_from(sorted(hash_chain.KEYS)), "table")
    row = data.draw(st.sampled_from(execute(url, f"SELECT * FROM {table} ORDER BY 1")), "row")
    column = data.draw(st.sampled_from(sorted(row)), "column")
    value = data.draw(other(column, row[column]), "value")

    key = hash_chain.KEYS[table]
    tamper(url, f'UPDATE {table} SET "{column}" = :value WHERE {key} = {row[key]}', value=value)

    faults = ledger.faults()
    note("\n".join(faults))
    where = f"{table}: " if column == key else f"{table}: the content of row {row[key]} was changed"
    assert any(fault.startswith(where) for fault in faults)


def other(column: str, value: Any) -> st.SearchStrategy[Any]:
    """Return another value for a column, unlike those of other rows where it must be unique."""
    if column in ("number", "sequence"):
        return st.one_of(st.integers(10, 99), st.integers(-9, 0))
    if isinstance(value, int) or column == "from":
        return (
            st.integers(5, 99)
            if column == "release"
            else st.integers(1, 99).filter(lambda number: number != value)
        )
    return texts.map(lambda text: f"~{text}"[:64]).filter(lambda text: text != value)
