"""Whatever is asked of a ledger in whatever order, its chain holds; whatever is then edited by hand, the chain says so."""

from collections.abc import Callable
from typing import Any

from hypothesis import Phase, given, note, settings
from hypothesis import strategies as st
from tampering import execute, tamper

from pipeline.base.errors import ChampionChanged, UsageError
from pipeline.io.registry import hash_chain
from pipeline.io.registry.ledger import Ledger

# Without shrinking: the examples are short already, and a failure would take minutes to tell.
BOUNDED = settings(deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
Step = tuple[str, int, str]  # what is done, to which release, and the words that go with it

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
steps = st.tuples(st.sampled_from(["add", "move", "stale move", "approve"]), st.integers(1, 4), words)
grown = st.lists(steps, min_size=3, max_size=12)


def take(ledger: Ledger, step: Step, current: str | None) -> str | None:
    """Take one step and name the release that has to be in service after it."""
    what, number, word = step
    name = f"R{number}"
    try:
        if what == "add":
            ledger.add({"identity": str(number), "decision": {"word": word}})
        elif what == "approve":
            ledger.approve(name, actor=word, reason=word)
        else:
            ledger.move(expected=current if what == "move" else "R9", target=name, actor=word, reason=word)
            return name
    except (ChampionChanged, UsageError) as refused:
        note(f"{step}: {refused}")
    return current


@settings(BOUNDED, max_examples=12)
@given(taken=grown)
def test_whatever_was_asked_of_it_the_chain_of_a_ledger_holds(
    fresh_ledger: Callable[[], str], taken: list[Step]
) -> None:
    url = fresh_ledger()
    ledgers = [Ledger(url), Ledger(url)]  # two writers in turn
    current: str | None = None
    served: list[str | None] = [None]
    for index, step in enumerate(taken):
        after = take(ledgers[index % 2], step, current)
        served += [after] if step[0] == "move" and len(ledgers[0].moves()) == len(served) else []
        current = after
        assert ledgers[0].current() == current

    moves, releases = ledgers[0].moves(), ledgers[0].releases()
    assert ledgers[1].faults() == []
    assert [move.origin for move in moves] + [current] == served
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
def test_any_field_of_any_row_that_is_edited_is_found(
    fresh_ledger: Callable[[], str], taken: list[Step], data: st.DataObject
) -> None:
    url = fresh_ledger()
    ledger = Ledger(url)
    current = None
    for step in (*FULL, *taken):
        current = take(ledger, step, current)
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
    """Give another value for a column, free of what other rows hold where the database keeps it unique."""
    if column in ("number", "sequence"):
        return st.one_of(st.integers(10, 99), st.integers(-9, 0))
    if isinstance(value, int) or column == "from":
        return (
            st.integers(5, 99)
            if column == "release"
            else st.integers(1, 99).filter(lambda number: number != value)
        )
    return words.map(lambda word: f"~{word}"[:64]).filter(lambda word: word != value)
