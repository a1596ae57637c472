"""The golden texts of a model in any language."""

import json

import pytest

from pipeline.core.compress.golden_texts import GOLDEN_TEXTS, golden_texts


def document(*pieces: str) -> str:
    return json.dumps({"model": {"vocab": {piece: row for row, piece in enumerate(pieces)}}})


@pytest.mark.parametrize(
    ("pieces", "used"),
    [
        (("[UNK]", "good", "bad", "##ly", "Good", "好", "1"), {"good", "bad"}),
        (("[UNK]", "很", "好", "##好", "，"), {"很", "好"}),
        (("[UNK]", "да", "Да", "нет"), {"да", "нет"}),
        (("ดี", "[CLS]", "ไม"), {"ไม"}),
        (("[UNK]", "😀", "1"), {"a"}),
    ],
)
def test_texts_are_words_of_the_vocabulary_that_cleaning_leaves(
    pieces: tuple[str, ...], used: set[str]
) -> None:
    texts = golden_texts(document(*pieces), seed=1)

    assert len(texts) == GOLDEN_TEXTS
    assert {word for text in texts for word in text.split()} == used
    assert golden_texts(document(*reversed(pieces)), seed=1) == texts
