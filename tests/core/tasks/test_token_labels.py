"""Entities: their F1 by exact match, and the baseline that knows the names of the training texts."""

import pytest

from pipeline.base.errors import DataRejected
from pipeline.base.tasks.spans import Span, dump_spans, load_spans
from pipeline.core.tasks.gazetteer import predict_by_gazetteer
from pipeline.core.tasks.token_labels import TokenLabels, entity_f1
from pipeline.core.train.objectives.token_labels import TaggedTokens

LABELS = ("person", "place")


def test_an_entity_counts_only_where_place_and_label_are_exact() -> None:
    truth = [[1, 2, 0, 3], [0, 0, 0]]

    assert entity_f1(truth, truth) == 1.0
    # One of two is right, one is too short, and one is made up: 2 * 1 / (2 + 3).
    assert entity_f1(truth, [[1, 0, 0, 3], [3, 0, 0]]) == pytest.approx(2 / 5)
    assert entity_f1([[0]], [[0]]) == 0.0


def test_tallies_count_shared_entities_by_label() -> None:
    true = dump_spans([Span(0, 3, "person"), Span(5, 9, "person"), Span(10, 14, "place")])
    found = dump_spans([Span(0, 3, "person"), Span(5, 8, "person"), Span(10, 14, "person")])
    table = TokenLabels().table(LABELS, [true], [found, "[]"])

    (truth,), (predicted, nothing) = table.numbers([true]), table.numbers([found, "[]"])

    assert table.items is not None
    assert table.items.sizes_AL[[truth, predicted, nothing]].tolist() == [[2, 1], [3, 0], [0, 0]]
    assert table.items.shared([truth], [predicted]).tolist() == [[1, 0]]


def test_the_gazetteer_finds_whole_names_again() -> None:
    train = ["Ann Lee is in Lima", "Ann is in Oslo", "Lima and Oslo", "Ann Lee left Lima"]
    answers = [
        dump_spans([Span(0, 7, "person"), Span(14, 18, "place")]),
        dump_spans([Span(0, 3, "person"), Span(10, 14, "place")]),
        dump_spans([Span(0, 4, "place"), Span(9, 13, "place")]),
        dump_spans([Span(0, 7, "person"), Span(13, 17, "place")]),
    ]
    text = "Ann Lee saw Limas and Oslo"

    (found,) = predict_by_gazetteer(train, answers, [text], min_count=2)

    assert [(text[span.start : span.end], span.label) for span in load_spans(found)] == [
        ("Ann Lee", "person"),
        ("Oslo", "place"),
    ]
    assert predict_by_gazetteer(train, ["[]"] * 4, [text], min_count=2) == ["[]"]


@pytest.mark.parametrize(
    ("train", "valid", "part"), [([0, 0], [0, 1], "training"), ([1, 2], [0], "validation")]
)
def test_entities_beyond_the_tokens_that_are_read_are_refused(
    train: list[int], valid: list[int], part: str
) -> None:
    sides = [TaggedTokens([[101, *tags, 102]], [[-100, *tags, -100]]) for tags in (train, valid)]

    with pytest.raises(DataRejected, match=f"No entity of the {part} texts.*max_tokens"):
        TokenLabels().objective(*sides, start=object(), training=object())  # type: ignore[arg-type]
