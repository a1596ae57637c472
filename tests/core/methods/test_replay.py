"""A replay is bounded, balanced by source and label, and the same whatever the order of the table."""

import random

import pytest

from pipeline.core.methods.replay import balanced, choose_rows

# Of each source so many texts of each label that were learnt before.
LEARNT = {("big", "good"): 400, ("big", "bad"): 200, ("small", "good"): 30, ("small", "bad"): 6}


def table(new=100):
    """Return what was learnt, and a table of it with new texts."""
    rows = [
        (f"{source} {label} {number}", label, source, f"{source}-{label}-{number}")
        for (source, label), size in LEARNT.items()
        for number in range(size)
    ]
    learnt = [(text, label) for text, label, *_ in rows]
    return learnt, rows + [(f"new {number}", "good", "fresh", f"new-{number}") for number in range(new)]


def replayed(chosen, rows):
    trained = [row for row, is_trained in zip(rows, chosen.is_trained_N, strict=True) if is_trained]
    return [row for row, again in zip(trained, chosen.is_replayed_M, strict=True) if again]


def test_all_new_texts_and_a_bounded_share_of_the_others_are_trained_on():
    learnt, rows = table()

    chosen = choose_rows([learnt[:300], learnt[300:]], [rows[:500], rows[500:]], 0.25)

    assert chosen.counts == {"new": 100, "replayed": 25}
    assert int(chosen.is_trained_N.sum()) == 125
    assert all(chosen.is_trained_N[-100:])


def test_a_small_source_is_replayed_as_much_as_a_large_one():
    learnt, rows = table()

    chosen = replayed(choose_rows([learnt], [rows], 0.4), rows)

    by_cell = {cell: sum((row[2], row[1]) == cell for row in chosen) for cell in LEARNT}
    assert by_cell == {
        ("big", "good"): 10,
        ("big", "bad"): 10,
        ("small", "good"): 14,
        ("small", "bad"): 6,
    }


def test_the_choice_does_not_depend_on_the_order_of_the_table():
    learnt, rows = table()
    shuffled = random.Random(4).sample(rows, len(rows))

    first, second = (replayed(choose_rows([learnt], [some], 0.3), some) for some in (rows, shuffled))

    assert sorted(first) == sorted(second)


def test_a_text_whose_label_was_corrected_is_new_and_another_case_is_not():
    learnt = [("A lovely film", "good"), ("an awful meal", "good")]
    rows = [("a lovely FILM", "good", "s", "1"), ("an awful meal", "bad", "s", "2")]

    assert choose_rows([learnt], [rows], 0.0).is_trained_N.tolist() == [False, True]


def test_nothing_is_replayed_where_nothing_was_learnt_or_nothing_is_new():
    learnt, rows = table(new=0)

    assert choose_rows([], [rows], 0.5).counts == {"new": 636, "replayed": 0}
    assert choose_rows([learnt], [rows], 0.5).counts == {"new": 0, "replayed": 0}


@pytest.mark.parametrize(("budget", "total"), [(0, 0), (1, 1), (7, 7), (35, 35), (636, 636), (900, 636)])
def test_a_budget_is_used_up_where_there_are_enough_texts(budget, total):
    parts = balanced(LEARNT, budget)

    assert sum(parts.values()) == total
    assert all(parts[cell] <= size for cell, size in LEARNT.items())
