"""A text is embedded once in a window, whatever the topics it is in."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.monitoring.windows.embeddings import MOST_KEPT, WindowEmbeddings


class Lengths:
    """Embed a text as its length and its first letter, and note what was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float64]:
        self.asked += texts
        return np.array([[len(text), ord(text[0])] for text in texts], dtype=np.float64)


def test_each_text_has_its_own_embedding_in_the_order_asked() -> None:
    embeddings = WindowEmbeddings(Lengths())

    assert embeddings.of(["b", "aa", "b"]) == [[1.0, 98.0], [2.0, 97.0], [1.0, 98.0]]
    assert embeddings.of(["aa", "c"]) == [[2.0, 97.0], [1.0, 99.0]]
    assert embeddings.of([]) == []


def test_a_text_that_came_before_is_not_embedded_again() -> None:
    lengths = Lengths()
    embeddings = WindowEmbeddings(lengths)
    embeddings.of(["b", "aa", "b"])
    embeddings.of(["aa", "c", "b"])

    assert lengths.asked == ["b", "aa", "c"]


def test_of_many_texts_the_newest_are_kept() -> None:
    lengths = Lengths()
    embeddings = WindowEmbeddings(lengths)
    texts = [f"{number}" for number in range(MOST_KEPT + 10)]

    assert len(embeddings.of(texts)) == MOST_KEPT + 10
    embeddings.of([texts[0], texts[-1]])
    assert lengths.asked == [*texts, texts[0]]
