"""Two simple models every candidate must beat: counted words, and a lexicon."""

import bisect
from collections import Counter
from collections.abc import Sequence

from pipeline.base.config import EvaluateConfig
from pipeline.base.config.evaluate import TfidfConfig


def predict_baselines(
    train: Sequence[str], truth: Sequence[int], test: Sequence[str], cfg: EvaluateConfig
) -> dict[str, list[int]]:
    """Let every baseline label the test texts; the lexicon only where `evaluate.vader_thresholds` is set."""
    answers = {"tfidf": predict_tfidf(train, truth, test, cfg.tfidf)}
    if cfg.vader_thresholds is not None:
        answers["vader"] = predict_vader(test, cfg.vader_thresholds)
    return answers


def predict_tfidf(
    train: Sequence[str], truth: Sequence[int], test: Sequence[str], cfg: TfidfConfig
) -> list[int]:
    """Guess by logistic regression over weighted words and word pairs, fitted on the training texts."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    counted = TfidfVectorizer(ngram_range=(1, cfg.max_ngram), min_df=cfg.min_count)
    if len(set(truth)) < 2 or not _has_words(train, cfg):
        # Nothing to learn from: the commonest label is what is left of this baseline.
        return [Counter(truth).most_common(1)[0][0]] * len(test)
    model = LogisticRegression(C=cfg.regularization_c, max_iter=cfg.max_iterations)
    model.fit(counted.fit_transform(train), truth)
    return [int(label) for label in model.predict(counted.transform(test))]


def predict_vader(test: Sequence[str], cuts: Sequence[float]) -> list[int]:
    """Guess from the compound score of the VADER lexicon (Hutto and Gilbert, 2014): the label is the number of cuts below it."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    lexicon = SentimentIntensityAnalyzer()
    return [bisect.bisect_left(cuts, lexicon.polarity_scores(text)["compound"]) for text in test]


def _has_words(train: Sequence[str], cfg: TfidfConfig) -> bool:
    from sklearn.feature_extraction.text import CountVectorizer

    words = CountVectorizer().build_analyzer()
    seen = Counter(word for text in train for word in set(words(text)))
    return any(count >= cfg.min_count for count in seen.values())
