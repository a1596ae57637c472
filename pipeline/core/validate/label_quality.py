"""Likely wrong labels, found by confident learning (Northcutt, Jiang and Chuang, 2021).

A simple model predicts each text without having seen its group. Where it is as sure of another label as it
usually is of texts with that label, and less sure of the one given, the label is likely wrong.
Legend: N texts, L labels.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.base.records import TextRecord
from pipeline.core.blas import one_blas_thread
from pipeline.core.clean.words import mostly_unspaced
from pipeline.core.validate.row_measures import draw

FOLDS = 5
FEATURES = 30_000
MIN_COUNT = 2
# What scikit-learn says where no word is left, and where none is in MIN_COUNT texts.
NO_FEATURES = ("empty vocabulary", "no terms remain")
MAX_ITERATIONS, TOLERANCE = 300, 1e-3


@dataclass(frozen=True)
class LikelyWrong:
    """Name a text whose label is likely wrong, the label that a model prefers, and both probabilities.

    `score` is the probability of the given label over that of the preferred one: the list is sorted by it.
    """

    id: str
    source: str
    label: str
    suggested: str
    probability: float
    suggested_probability: float

    @property
    def score(self) -> float:
        """Return how much less probable the given label is, in [0, 1]; 0 is the most likely to be wrong."""
        return self.probability / max(self.suggested_probability, 1e-12)


def find_likely_wrong(
    records: Iterable[TextRecord], labels: Sequence[str], *, sample_texts: int
) -> list[LikelyWrong]:
    """Return the texts whose label is likely wrong, the likeliest first; of `sample_texts` texts at most.

    It is deterministic, whatever the order of the records. Returns none where two labels do not have a text
    in every fold, or no two texts have a word in common, as those of emoji alone.
    """
    drawn = sorted(draw(records, sample_texts).values(), key=lambda record: record.id)
    number = {label: index for index, label in enumerate(labels)}
    drawn = [record for record in drawn if record.label in number]
    given_N = np.array([number[record.label] for record in drawn])
    folds_N = np.array([_fold(record.group) for record in drawn])
    features = _features([record.text for record in drawn]) if _can_fit(given_N, folds_N) else None
    if features is None:
        return []
    probabilities_NL = _out_of_fold(features, given_N, folds_N, len(labels))
    wrong = _likely_wrong_rows(probabilities_NL, given_N)
    found = [
        LikelyWrong(
            record.id,
            record.source,
            record.label,
            labels[preferred],
            round(float(probabilities_NL[row, given_N[row]]), 4),
            round(float(probabilities_NL[row, preferred]), 4),
        )
        for row, preferred in wrong
        for record in (drawn[row],)
    ]
    return sorted(found, key=lambda one: (one.score, one.id))


def _fold(group: str) -> int:
    return hashlib.blake2b(f"fold\0{group}".encode(), digest_size=8).digest()[0] % FOLDS


def _can_fit(given_N: NDArray[np.int64], folds_N: NDArray[np.int64]) -> bool:
    return all(len(set(given_N[folds_N != fold])) > 1 for fold in range(FOLDS)) and len(given_N) >= 2 * FOLDS


def _out_of_fold(
    features: Any,
    given_N: NDArray[np.int64],
    folds_N: NDArray[np.int64],
    labels: int,
) -> NDArray[np.float64]:
    from sklearn.linear_model import LogisticRegression

    probabilities_NL = np.zeros((len(given_N), labels))

    with one_blas_thread():
        for fold in range(FOLDS):
            inside_N = folds_N == fold
            if inside_N.any():
                model = LogisticRegression(
                    C=3.0, max_iter=MAX_ITERATIONS, tol=TOLERANCE, class_weight="balanced"
                )
                model.fit(features[~inside_N], given_N[~inside_N])
                probabilities_NL[np.ix_(inside_N, model.classes_)] = model.predict_proba(features[inside_N])
    return probabilities_NL


def _features(texts: Sequence[str]) -> Any:
    """Return TF-IDF features: words and pairs of them, or characters where no blank parts words.

    None where no feature is in enough texts.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    kind = {"analyzer": "char", "ngram_range": (1, 3)} if mostly_unspaced(texts) else {"ngram_range": (1, 2)}
    vectorizer = TfidfVectorizer(max_features=FEATURES, min_df=MIN_COUNT, sublinear_tf=True, **kind)
    try:
        return vectorizer.fit_transform(texts)
    except ValueError as error:
        if not any(reason in str(error) for reason in NO_FEATURES):
            raise
        return None


def _likely_wrong_rows(
    probabilities_NL: NDArray[np.float64], given_N: NDArray[np.int64]
) -> list[tuple[int, int]]:
    """Return the rows of the confident joint off its diagonal, each with the label preferred."""
    labels = probabilities_NL.shape[1]
    thresholds_L = np.array(
        [
            probabilities_NL[given_N == label, label].mean() if (given_N == label).any() else 1.1
            for label in range(labels)
        ]
    )
    confident_NL = np.where(probabilities_NL >= thresholds_L, probabilities_NL, -1.0)
    preferred_N = confident_NL.argmax(axis=1)
    is_wrong_N = (confident_NL.max(axis=1) >= 0) & (preferred_N != given_N)
    return [(int(row), int(preferred_N[row])) for row in np.flatnonzero(is_wrong_N)]
