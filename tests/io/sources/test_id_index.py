"""Repeated ids are found across batches, with the row that had the id first."""

from pipeline.io.sources.id_index import IdIndex


def test_a_repeated_id_is_found_within_a_batch_and_after_it() -> None:
    seen = IdIndex()

    assert seen.add(["a", "b", "a"], ["x", "y", "x"], [1, 2, 4]) == [(2, 0, 1)]
    assert seen.add(["c", "a", "b"], ["z", "x", "other"], [5, 6, 7]) == [(1, 0, 2), (2, 2, 1)]


def test_many_batches_are_merged_and_forget_nothing() -> None:
    seen = IdIndex()
    for start in range(0, 3000, 10):
        numbers = list(range(start, start + 10))
        assert seen.add([f"id{one}" for one in numbers], [f"t{one}" for one in numbers], numbers) == []

    assert seen.add(["new", "id17", "id2999"], ["", "t17", "else"], [3000, 3001, 3002]) == [
        (1, 0, 1),
        (2, 2999, 1),
    ]
    assert len(seen._runs) < 12
