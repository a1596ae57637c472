"""Which words an answer rests on, asked of an artefact whose answers can be worked out by hand."""

import pytest
import toy
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.model.occlusion import explain_by_occlusion
from pipeline.core.model.predictor import Predictor
from pipeline.inference.load import load_predictor

# One word of weight 3 and two labels of weight 0: e³ / (e³ + 2).
SURE, EVEN = 0.9094, 1 / 3


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("toy") / "candidate"
    toy.candidate(folder, {"good": "positive", "fine": "positive", "bad": "negative"})
    return load_predictor(folder)


def test_a_word_is_worth_what_the_answer_loses_without_it(predictor: Predictor) -> None:
    found = explain_by_occlusion(predictor, "a good day", most=10)

    assert (found.label, found.further) == ("positive", 0)
    assert [word.word for word in found.words] == ["a", "good", "day"]
    assert [word.weight for word in found.words] == pytest.approx([0, SURE - EVEN, 0], abs=1e-4)


def test_a_word_against_the_label_weighs_below_nothing(predictor: Predictor) -> None:
    found = explain_by_occlusion(predictor, "good fine bad", most=10)

    assert found.label == "positive"
    assert [word.weight > 0 for word in found.words] == [True, True, False]


def test_each_occurrence_counts_by_itself_and_the_first_ones_are_tried(predictor: Predictor) -> None:
    found = explain_by_occlusion(predictor, "good good bad bad bad", most=2)

    assert [word.word for word in found.words] == ["good", "good"]
    assert found.further == 3


def test_the_words_are_those_that_the_model_reads(predictor: Predictor) -> None:
    assert [word.word for word in explain_by_occlusion(predictor, "<b>good</b>&amp;fine", most=10).words] == [
        "good&fine"
    ]


def test_a_text_of_one_word_or_of_none_is_explained_too(predictor: Predictor) -> None:
    assert [word.weight for word in explain_by_occlusion(predictor, "good", most=10).words] == pytest.approx(
        [SURE - EVEN], abs=1e-4
    )
    assert explain_by_occlusion(predictor, "", most=10).words == ()


@given(st.text(max_size=60))
def test_any_text_has_an_answer_whose_words_are_worth_at_most_all_of_it(
    predictor: Predictor, text: str
) -> None:
    found = explain_by_occlusion(predictor, text, most=5)

    assert sum(found.probabilities.values()) == pytest.approx(1)
    assert all(-1 <= word.weight <= found.probabilities[found.label] for word in found.words)
    assert len(found.words) <= 5
