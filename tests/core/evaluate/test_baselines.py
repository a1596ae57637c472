"""The baselines every candidate is compared with."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.base.config.evaluate import FrozenEncoderConfig, TfidfConfig
from pipeline.core.evaluate import baselines
from pipeline.io.params_file import load_params

CFG = load_params(Path(__file__).parents[3] / "params.yaml").evaluate.model_copy(
    update={
        "vader_thresholds": (-0.05, 0.05),
        "tfidf": TfidfConfig(max_ngram=2, min_count=1, regularization_c=1.0, max_iterations=200),
    }
)
TRAIN = ["the film is dreadful", "a dreadful evening", "wonderful, simply wonderful", "what a wonderful film"]


def test_tfidf_learns_the_labels_of_words() -> None:
    assert baselines.predict_tfidf(
        TRAIN, [0, 0, 1, 1], ["dreadful weather", "wonderful weather"], CFG.tfidf
    ) == [0, 1]


def test_where_no_blank_parts_words_tfidf_learns_characters() -> None:
    train = ["房间很脏", "服务很脏乱", "早餐好吃", "水果好吃极了"]

    assert baselines.predict_tfidf(train, [0, 0, 1, 1], ["浴室脏", "面条好吃"], CFG.tfidf) == [0, 1]


@pytest.mark.parametrize(
    ("train", "truth", "why"),
    [
        (["one word", "another word", "third word"], [1, 1, 1], "one label only"),
        (["!", "?", "…"], [1, 1, 0], "no word at all"),
    ],
)
def test_without_features_tfidf_predicts_the_most_common_label(
    train: list[str], truth: list[int], why: str
) -> None:
    assert baselines.predict_tfidf(train, truth, ["anything", "else"], CFG.tfidf) == [1, 1], why


def test_words_rarer_than_min_count_are_ignored() -> None:
    rare = CFG.tfidf.model_copy(update={"min_count": 5})
    assert baselines.predict_tfidf(TRAIN, [0, 0, 0, 1], ["wonderful"], rare) == [0]


@pytest.mark.parametrize(
    ("text", "label"),
    [("I love this, it is great!", 2), ("I hate this, it is horrible.", 0), ("The chair is brown.", 1)],
)
def test_vader_counts_the_thresholds_below_its_score(text: str, label: int) -> None:
    assert baselines.predict_vader([text], [-0.05, 0.05]) == [label]


def test_five_labels_need_four_thresholds() -> None:
    assert baselines.predict_vader(
        ["I love this, it is great!", "The chair is brown."], [-0.6, -0.05, 0.05, 0.6]
    ) == [4, 2]


def test_without_thresholds_there_is_no_vader() -> None:
    without = CFG.model_copy(update={"vader_thresholds": None})
    assert set(baselines.predict_baselines(TRAIN, [0, 0, 1, 1], ["dreadful"], without)) == {"tfidf"}
    assert set(baselines.predict_baselines(TRAIN, [0, 0, 1, 1], ["dreadful"], CFG)) == {"tfidf", "vader"}


def test_a_rare_label_weighs_as_much_as_a_common_one() -> None:
    # "film" is in nine texts of label 0 and one of label 1: unweighted, the common label would win.
    train, truth = ["film"] * 10, [0] * 9 + [1]
    rare = ["film", *["film gem"] * 2]

    assert baselines.predict_tfidf([*train, *rare], [*truth, 1, 1, 1], ["film gem"], CFG.tfidf) == [1]


def test_the_frozen_encoder_separates_what_a_line_separates() -> None:
    random = np.random.default_rng(3)
    truth = [0] * 180 + [1] * 20
    train_ND = random.normal(size=(200, 4)) + np.array(truth)[:, None] * np.array([3.0, 0, 0, 0])
    test_ND = np.array([[3.0, 0, 0, 0], [0.0, 0, 0, 0]])
    cfg = FrozenEncoderConfig(max_texts=100, regularization_c=1.0, max_iterations=200)

    assert baselines.predict_frozen_encoder(train_ND, truth, test_ND, cfg) == [1, 0]
    assert baselines.predict_frozen_encoder(train_ND, [1] * 200, test_ND, cfg) == [1, 1]
