"""Workers keep the order of the groups and hold few of them: memory does not grow with the table."""

from collections.abc import Iterator
from concurrent.futures import Future

from pipeline.inference.workers import GROUPS_AHEAD, Workers


def test_no_more_groups_are_read_than_are_under_way() -> None:
    read: list[int] = []

    def groups() -> Iterator[tuple[int, list[str]]]:
        for number in range(100):
            read.append(number)
            yield number, [str(number)]

    def submit(texts: list[str]) -> "Future[list[str]]":
        future: Future[list[str]] = Future()
        future.set_result(texts)
        return future

    results = []
    for number, texts in Workers(submit, 3).predict(groups()):  # type: ignore[arg-type]
        results.append((number, texts))
        assert len(read) - len(results) < GROUPS_AHEAD * 3

    assert results == [(number, [str(number)]) for number in range(100)]
