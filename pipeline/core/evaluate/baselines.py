"""The baselines every candidate must beat: TF-IDF and a frozen encoder with logistic regression, a lexicon.

All are fitted on the training texts alone, and weigh the labels equally, as macro F1 does.
"""

import bisect
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import EvaluateConfig
from pipeline.base.config.evaluate import FrozenEncoderConfig, TfidfConfig
from pipeline.core.blas import one_blas_thread
from pipeline.core.clean.words import mostly_unspaced


def predict_baselines(
    train: Sequence[str], truth: Sequence[int], test: Sequence[str], cfg: EvaluateConfig
) -> dict[str, list[int]]:
    """Predict the test texts with every baseline; VADER only where `evaluate.vader_thresholds` is set."""
    predictions = {"tfidf": predict_tfidf(train, truth, test, cfg.tfidf)}
    if cfg.vader_thresholds is not None:
        predictions["vader"] = predict_vader(test, cfg.vader_thresholds)
    return predictions


def predict_tfidf(
    train: Sequence[str], truth: Sequence[int], test: Sequence[str], cfg: TfidfConfig
) -> list[int]:
    """Predict by logistic regression on TF-IDF features, fitted on the training texts.

    The features are runs of words, or of characters where most texts put no blank between words.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    # Where no blank parts words, a bag of words would hold whole clauses.
    analyzer = "char" if mostly_unspaced(train) else "word"
    features = TfidfVectorizer(analyzer=analyzer, ngram_range=(1, cfg.max_ngram), min_df=cfg.min_count)
    if len(set(truth)) < 2 or not _has_words(train, cfg, analyzer):
        # Nothing to fit: the baseline predicts the most common label.
        return [Counter(truth).most_common(1)[0][0]] * len(test)
    model = LogisticRegression(C=cfg.regularization_c, max_iter=cfg.max_iterations, class_weight="balanced")
    with one_blas_thread():
        model.fit(features.fit_transform(train), truth)
        return [int(label) for label in model.predict(features.transform(test))]


def predict_frozen_encoder(
    train_ND: NDArray[np.float64],
    truth: Sequence[int],
    test_ND: NDArray[np.float64],
    cfg: FrozenEncoderConfig,
) -> list[int]:
    """Predict by logistic regression on the mean of an encoder's hidden states, one row a text."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(set(truth)) < 2:
        return [truth[0]] * len(test_ND)
    model = make_pipeline(
        StandardScaler(),
        LogisticRegression(C=cfg.regularization_c, max_iter=cfg.max_iterations, class_weight="balanced"),
    )
    with one_blas_thread():
        model.fit(train_ND, truth)
        return [int(label) for label in model.predict(test_ND)]


def predict_vader(test: Sequence[str], thresholds: Sequence[float]) -> list[int]:
    """Predict the number of thresholds below the compound score of VADER (Hutto and Gilbert, 2014)."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    lexicon = SentimentIntensityAnalyzer()
    return [bisect.bisect_left(thresholds, lexicon.polarity_scores(text)["compound"]) for text in test]


def _has_words(train: Sequence[str], cfg: TfidfConfig, analyzer: str) -> bool:
    from sklearn.feature_extraction.text import CountVectorizer

    words = CountVectorizer(analyzer=analyzer).build_analyzer()
    counts = Counter(word for text in train for word in set(words(text)))
    return any(count >= cfg.min_count for count in counts.values())
