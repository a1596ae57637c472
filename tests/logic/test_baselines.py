"""The two simple models, and the document that sets a candidate beside them."""

import json

import pytest

from pipeline.config import EvaluateConfig
from pipeline.errors import DataRejected
from pipeline.evaluate import Answered, baselines, evaluation

CFG = EvaluateConfig.model_validate(
    {
        "resamples": 50,
        "confidence": 0.9,
        "calibration_bins": 5,
        "vader_cuts": [-0.05, 0.05],
        "tfidf": {"max_ngram": 2, "min_count": 1, "inverse_strength": 1.0, "max_iterations": 200},
    }
)
TRAIN = ["the film is dreadful", "a dreadful evening", "wonderful, simply wonderful", "what a wonderful film"]


def test_counted_words_learn_which_word_means_what() -> None:
    assert baselines.tfidf(TRAIN, [0, 0, 1, 1], ["dreadful weather", "wonderful weather"], CFG.tfidf) == [0, 1]


@pytest.mark.parametrize(
    ("train", "truth", "why"),
    [
        (["one word", "another word", "third word"], [1, 1, 1], "one label only"),
        (["!", "?", "…"], [1, 1, 0], "no word at all"),
    ],
)
def test_with_nothing_to_learn_the_commonest_label_is_left(train: list[str], truth: list[int], why: str) -> None:
    assert baselines.tfidf(train, truth, ["anything", "else"], CFG.tfidf) == [1, 1], why


def test_words_rarer_than_asked_are_not_counted() -> None:
    rare = CFG.tfidf.model_copy(update={"min_count": 5})
    assert baselines.tfidf(TRAIN, [0, 0, 0, 1], ["wonderful"], rare) == [0]


@pytest.mark.parametrize(
    ("text", "label"), [("I love this, it is great!", 2), ("I hate this, it is horrible.", 0), ("The chair is brown.", 1)]
)
def test_the_lexicon_counts_the_cuts_below_its_score(text: str, label: int) -> None:
    assert baselines.vader([text], [-0.05, 0.05]) == [label]


def test_five_labels_need_four_cuts() -> None:
    assert baselines.vader(["I love this, it is great!", "The chair is brown."], [-0.6, -0.05, 0.05, 0.6]) == [4, 2]


def test_without_cuts_there_is_no_lexicon() -> None:
    without = CFG.model_copy(update={"vader_cuts": None})
    assert set(baselines.guesses(TRAIN, [0, 0, 1, 1], ["dreadful"], without)) == {"tfidf"}
    assert set(baselines.guesses(TRAIN, [0, 0, 1, 1], ["dreadful"], CFG)) == {"tfidf", "vader"}


def answered(texts: int = 4) -> Answered:
    truth, guess = [0, 0, 1, 1][:texts], [0, 1, 1, 1][:texts]
    sure = [[0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.4, 0.6]][:texts]
    return Answered(("no", "yes"), truth, guess, sure, ["a", "a", "b", "c"][:texts], ["tweet", "tweet", "movie", "movie"][:texts])


def test_the_document_holds_plain_values_and_every_figure_of_the_contract() -> None:
    document = evaluation(answered(), baselines={"tfidf": [0, 0, 0, 0]}, cfg=CFG, seed=20)

    assert json.loads(json.dumps(document)) == document
    assert set(document) == {
        "labels",
        "texts",
        "macro_f1",
        "accuracy",
        "per_class",
        "per_source",
        "confusion",
        "calibration",
        "intervals",
        "baselines",
    }
    assert (document["texts"], document["accuracy"], document["confusion"]) == (4, 0.75, [[1, 1], [0, 2]])
    assert set(document["baselines"]["tfidf"]) == {"macro_f1", "accuracy", "per_source", "intervals"}
    assert document["baselines"]["tfidf"]["macro_f1"] == pytest.approx((2 / 3) / 2)


def test_equal_answers_make_an_equal_document() -> None:
    once, again = (evaluation(answered(), baselines={}, cfg=CFG, seed=20) for _ in range(2))
    assert once == again


def test_no_test_texts_say_what_to_change() -> None:
    with pytest.raises(DataRejected, match=r"Raise split\.test"):
        evaluation(answered(0), baselines={}, cfg=CFG, seed=20)
