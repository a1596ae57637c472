"""The features of an embedding that the detectors mmd and classifier compare.

Legend: N texts, D width of an embedding, F features.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
FREQUENCIES = 64
MAX_AXES, TEXTS_PER_AXIS = 32, 50
MEDIAN_TEXTS = 500  # the width of the kernel is the median distance between so many texts


@dataclass(frozen=True)
class EmbeddingMap:
    """The kernel's frequencies, the whitened principal axes, and the mean features by predicted label."""

    frequencies_DF: Array
    centre_D: Array
    axes_DF: Array
    label_means: Mapping[int, tuple[Array, Array]]
    mean: tuple[Array, Array]

    @classmethod
    def of(cls, embedding_ND: Array, predicted_N: NDArray[np.int64], *, seed: int) -> "EmbeddingMap":
        """Fit on the reference."""
        embedding_ND, random = _finite(embedding_ND), np.random.default_rng(seed)
        rows = random.permutation(len(embedding_ND))[:MEDIAN_TEXTS]
        normal_DF = random.standard_normal((embedding_ND.shape[1], FREQUENCIES))
        frequencies_DF = normal_DF / _median_distance(embedding_ND[rows])
        labels = np.unique(predicted_N)
        centred_ND = embedding_ND.copy()
        for label in labels:
            rows_N = predicted_N == label
            centred_ND[rows_N] -= embedding_ND[rows_N].mean(axis=0)
        no_means = (np.zeros(1), np.zeros(1))
        uncentred = cls(frequencies_DF, embedding_ND.mean(axis=0), _axes(centred_ND), {}, no_means)
        raw = uncentred._raw(embedding_ND)
        label_means = {int(label): _means(raw, predicted_N == label) for label in labels}
        mean = _means(raw, np.full(len(predicted_N), True))
        return replace(uncentred, label_means=label_means, mean=mean)

    def _raw(self, embedding_ND: Array) -> tuple[Array, Array]:
        angles_NF = embedding_ND @ self.frequencies_DF
        waves_NF = np.concatenate([np.cos(angles_NF), np.sin(angles_NF)], axis=1) / np.sqrt(FREQUENCIES)
        return waves_NF, (embedding_ND - self.centre_D) @ self.axes_DF

    def features(self, embedding_ND: Array, predicted_N: NDArray[np.int64]) -> list[Array]:
        """Compute the features of mmd and of the classifier, each NxF."""
        raw = self._raw(_finite(embedding_ND))
        means = [self.label_means.get(int(label), self.mean) for label in predicted_N]
        return [
            part - np.array([mean[side] for mean in means]).reshape(part.shape)
            for side, part in enumerate(raw)
        ]


def _finite(embedding_ND: Array) -> Array:
    return np.nan_to_num(np.asarray(embedding_ND, dtype=np.float64), posinf=0.0, neginf=0.0)


def _median_distance(embedding_ND: Array) -> float:
    squares_N = (embedding_ND**2).sum(axis=1)
    squared_NN = squares_N[:, None] + squares_N - 2 * embedding_ND @ embedding_ND.T
    median = float(np.median(squared_NN[np.triu_indices(len(squares_N), 1)])) if len(squares_N) > 1 else 0.0
    return median**0.5 if median > 0 else 1.0


def _axes(centred_ND: Array) -> Array:
    values_D, vectors_DD = np.linalg.eigh(centred_ND.T @ centred_ND / max(1, len(centred_ND)))
    count = max(1, min(MAX_AXES, len(centred_ND) // TEXTS_PER_AXIS))
    least = 1e-9 * max(values_D[-1], 1e-300)
    axes = [axis for axis in range(len(values_D))[::-1][:count] if values_D[axis] > least]
    return np.asarray(vectors_DD[:, axes] / np.sqrt(values_D[axes]))


def _means(raw: tuple[Array, Array], rows_N: NDArray[np.bool_]) -> tuple[Array, Array]:
    return raw[0][rows_N].mean(axis=0), raw[1][rows_N].mean(axis=0)
