"""The importance of words, for a model whose predictions can be worked out by hand."""

import pytest
import toy
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.explain.occlusion import explain_by_occlusion
from pipeline.core.model.predictor import Predictor
from pipeline.inference.load import load_predictor

# One word of weight 3 and two labels of weight 0: e³ / (e³ + 2).
CERTAIN, UNIFORM = 0.9094, 1 / 3


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("toy") / "candidate"
    toy.candidate(folder, {"good": "positive", "fine": "positive", "bad": "negative"})
    return load_predictor(folder)


def test_importance_is_the_drop_of_the_probability_without_the_word(predictor: Predictor) -> None:
    explanation = explain_by_occlusion(predictor, "a good day", most=10)

    assert (explanation.label, explanation.further) == ("positive", 0)
    assert [word.word for word in explanation.words] == ["a", "good", "day"]
    assert [word.weight for word in explanation.words] == pytest.approx([0, CERTAIN - UNIFORM, 0], abs=1e-4)


def test_a_word_against_the_label_has_negative_importance(predictor: Predictor) -> None:
    explanation = explain_by_occlusion(predictor, "good fine bad", most=10)

    assert explanation.label == "positive"
    assert [word.weight > 0 for word in explanation.words] == [True, True, False]


def test_each_occurrence_counts_and_only_the_first_words_are_tried(predictor: Predictor) -> None:
    explanation = explain_by_occlusion(predictor, "good good bad bad bad", most=2)

    assert [word.word for word in explanation.words] == ["good", "good"]
    assert explanation.further == 3


def test_words_are_those_of_the_cleaned_text(predictor: Predictor) -> None:
    assert [word.word for word in explain_by_occlusion(predictor, "<b>good</b>&amp;fine", most=10).words] == [
        "good&fine"
    ]


def test_a_text_of_one_word_or_none_is_explained(predictor: Predictor) -> None:
    assert [word.weight for word in explain_by_occlusion(predictor, "good", most=10).words] == pytest.approx(
        [CERTAIN - UNIFORM], abs=1e-4
    )
    assert explain_by_occlusion(predictor, "", most=10).words == ()


@settings(deadline=None)
@given(st.text(max_size=60))
def test_importance_is_at_most_the_probability_of_the_label(predictor: Predictor, text: str) -> None:
    explanation = explain_by_occlusion(predictor, text, most=5)

    assert sum(explanation.probabilities.values()) == pytest.approx(1)
    assert all(
        -1 <= word.weight <= explanation.probabilities[explanation.label] for word in explanation.words
    )
    assert len(explanation.words) <= 5
