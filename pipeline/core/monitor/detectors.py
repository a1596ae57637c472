"""How far a window has moved from the reference, seen from seven sides.

Every distance is a function of means of fixed features, so thousands of resampled windows cost one sum each. What is seen:

- label, language: squared Hellinger distance of the shares, rare ones together: unlike chi-square and the stability index it does not
  hang on the noise of rare ones. A text too short to tell its language has none.
- confidence, length, unknown: largest distance between the distribution functions (Kolmogorov and Smirnov) at quantiles of the reference.
- mmd: squared maximum mean discrepancy (Gretton et al., 2012) of the embeddings under a Gaussian kernel as wide as the median distance,
  by random Fourier features (Rahimi and Recht, 2007).
- classifier: how well a linear discriminant, fitted on one half, tells window from reference on the other half, in standard
  deviations (Lopez-Paz and Oquab, 2017; the mean score in place of the accuracy, as Cheng and Cloninger, 2022, find stronger).

The embedding is seen beside its mean in the reference among texts of the same guess: what the label share alone moves is no topic.
Legend: N texts, D width of an embedding, F features, C categories, G grid points, B resamples, H the two halves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.clean.language import UNDETERMINED

Array = NDArray[np.float64]
CATEGORIES, ORDERED, EMBEDDED = (
    ("label", "language"),
    ("confidence", "length", "unknown"),
    ("mmd", "classifier"),
)
RARE = 0.01  # a category with less of the reference is counted among the others
OTHER = "other"
GRID = 32  # quantiles of the reference
FREQUENCIES = 64
AXES, TEXTS_AN_AXIS = 32, 50  # principal axes at most, and texts that each must be learnt from
MEDIAN_TEXTS = 500  # whose distances are looked at for the width of the kernel


@dataclass(frozen=True)
class WindowSample:
    """Hold N texts as the detectors see them: the model's guess (a label's index) and its confidence, length in words, share of
    unknown tokens, language, embedding (NxD; None where only hashes are kept), and the request and position that name each.
    """

    guess: NDArray[np.int64]
    confidence: Array
    words: Array
    unknown: Array
    lang: NDArray[np.str_]
    embedding: Array | None
    request: tuple[str, ...]
    position: tuple[int, ...]

    def __post_init__(self) -> None:
        columns = (getattr(self, one.name) for one in fields(self))
        assert len({len(column) for column in columns if column is not None}) == 1

    def __len__(self) -> int:
        return len(self.guess)

    def only(self, rows: Sequence[int] | NDArray[np.int64]) -> "WindowSample":
        """Take some of the texts, in this order."""
        rows = np.asarray(rows, dtype=np.int64)
        return WindowSample(
            self.guess[rows],
            self.confidence[rows],
            self.words[rows],
            self.unknown[rows],
            self.lang[rows],
            None if self.embedding is None else self.embedding[rows],
            tuple(self.request[row] for row in rows),
            tuple(self.position[row] for row in rows),
        )


@dataclass(frozen=True)
class FeatureMap:
    """Turn texts into features, and means of features into distances; everything is learnt from the reference alone."""

    known: Mapping[str, tuple[str, ...]]
    grids: Mapping[str, Array]
    embedding: "_Embedding | None"

    @classmethod
    def of(cls, reference: WindowSample, *, seed: int) -> "FeatureMap":
        """Learn categories, quantiles, the width of the kernel and the principal axes."""
        known = {name: _common(_category(reference, name)) for name in CATEGORIES}
        grids = {name: _grid(_ordered(reference, name)) for name in ORDERED}
        return cls(known, grids, None if reference.embedding is None else _Embedding.of(reference, seed=seed))

    @property
    def places(self) -> dict[str, slice]:
        """Say which features belong to which detector."""
        widths = {name: len(known) + 1 for name, known in self.known.items()} | {
            name: len(grid) for name, grid in self.grids.items()
        }
        if self.embedding is not None:
            widths |= {
                "mmd": 2 * self.embedding.waves_DF.shape[1],
                "classifier": self.embedding.axes_DF.shape[1],
            }
        ends = np.cumsum(list(widths.values())).tolist()
        return {
            name: slice(end - width, end) for (name, width), end in zip(widths.items(), ends, strict=True)
        }

    def features(self, sample: WindowSample) -> NDArray[np.float32]:
        """Describe each text; NxF, the last feature is 1, so that sums tell how many texts they are of."""
        parts: list[NDArray[Any]] = [
            _one_hot(_category(sample, name), known) for name, known in self.known.items()
        ]
        parts += [_ordered(sample, name)[:, None] <= grid for name, grid in self.grids.items()]
        if self.embedding is not None:
            parts += self.embedding.features(sample)
        parts.append(np.ones((len(sample), 1)))
        return np.concatenate([part.astype(np.float32) for part in parts], axis=1)

    def stranger(self, features_NF: NDArray[np.float32]) -> NDArray[np.float32]:
        """Make up a text as the reference has none: of another label and language, with more unknown tokens than any; 1xF.

        That a thing did not occur among n texts does not make it impossible. It gets the chance of one more text (Laplace's rule of
        succession), or the first such text in a window would be an alarm.
        """
        made_1F, places = features_NF[:1].copy(), self.places
        for name in CATEGORIES:
            made_1F[:, places[name]] = 0
            made_1F[:, places[name].stop - 1] = 1
        made_1F[:, places["unknown"]] = 0
        return made_1F

    def distances(self, window_HBF: Array, reference_HBF: Array) -> dict[str, Array]:
        """Measure windows from references, both given as sums of the features over each half (2xBxF); B distances each."""
        window_BF, reference_BF = window_HBF.sum(axis=0), reference_HBF.sum(axis=0)
        found: dict[str, Array] = {}
        for name, place in self.places.items():
            if name in CATEGORIES:
                found[name] = _shares_apart(window_BF[:, place], reference_BF[:, place], window_BF[:, -1:])
            elif name in ORDERED:
                found[name] = np.abs(_apart(window_BF, reference_BF, place)).max(axis=1)
            elif name == "mmd":
                found[name] = (_apart(window_BF, reference_BF, place) ** 2).sum(axis=1)
            else:
                found[name] = _told_apart(
                    *(_apart(window_HBF[half], reference_HBF[half], place) for half in (0, 1))
                )
        return found


@dataclass(frozen=True)
class _Embedding:
    """Hold the random waves of the kernel, the whitened principal axes, and the mean features of each guess in the reference."""

    waves_DF: Array
    centre_D: Array
    axes_DF: Array
    means: Mapping[int, tuple[Array, Array]]
    mean: tuple[Array, Array]

    @classmethod
    def of(cls, reference: WindowSample, *, seed: int) -> "_Embedding":
        embedding_ND, chance = _finite(reference.embedding), np.random.default_rng(seed)
        rows = chance.permutation(len(embedding_ND))[:MEDIAN_TEXTS]
        waves_DF = chance.standard_normal((embedding_ND.shape[1], FREQUENCIES)) / _median_distance(
            embedding_ND[rows]
        )
        guesses = np.unique(reference.guess)
        centred_ND = embedding_ND.copy()
        for guess in guesses:
            centred_ND[reference.guess == guess] -= embedding_ND[reference.guess == guess].mean(axis=0)
        bare = cls(waves_DF, embedding_ND.mean(axis=0), _axes(centred_ND), {}, (np.zeros(1), np.zeros(1)))
        raw = bare.raw(embedding_ND)
        means = {int(guess): _means(raw, reference.guess == guess) for guess in guesses}
        return cls(waves_DF, bare.centre_D, bare.axes_DF, means, _means(raw, np.full(len(reference), True)))

    def raw(self, embedding_ND: Array) -> tuple[Array, Array]:
        turns_NF = embedding_ND @ self.waves_DF
        waves_NF = np.concatenate([np.cos(turns_NF), np.sin(turns_NF)], axis=1) / np.sqrt(FREQUENCIES)
        return waves_NF, (embedding_ND - self.centre_D) @ self.axes_DF

    def features(self, sample: WindowSample) -> list[Array]:
        if sample.embedding is None:
            # What is not known has not moved.
            return [
                np.zeros((len(sample), 2 * self.waves_DF.shape[1])),
                np.zeros((len(sample), self.axes_DF.shape[1])),
            ]
        raw = self.raw(_finite(sample.embedding))
        means = [self.means.get(int(guess), self.mean) for guess in sample.guess]
        return [
            part - np.array([mean[side] for mean in means]).reshape(part.shape)
            for side, part in enumerate(raw)
        ]


def _category(sample: WindowSample, name: str) -> NDArray[np.str_]:
    return sample.lang if name == "language" else sample.guess.astype(str)


def _ordered(sample: WindowSample, name: str) -> Array:
    return {"confidence": sample.confidence, "length": sample.words, "unknown": sample.unknown}[name]


def _common(values_N: NDArray[np.str_]) -> tuple[str, ...]:
    values, counts = np.unique(values_N[values_N != UNDETERMINED], return_counts=True)
    return tuple(values[counts >= RARE * counts.sum()].tolist())


def _grid(values_N: Array) -> Array:
    return np.unique(np.quantile(values_N, np.linspace(0, 1, GRID + 1), method="inverted_cdf"))


def _one_hot(values_N: NDArray[np.str_], known: Sequence[str]) -> NDArray[np.bool_]:
    hot_NC = np.array([values_N == value for value in known]).reshape(len(known), len(values_N)).T
    other_N = ~hot_NC.any(axis=1) & (values_N != UNDETERMINED)
    return np.concatenate([hot_NC, other_N[:, None]], axis=1)


def _finite(embedding_ND: Array | None) -> Array:
    assert embedding_ND is not None
    return np.nan_to_num(np.asarray(embedding_ND, dtype=np.float64), posinf=0.0, neginf=0.0)


def _median_distance(embedding_ND: Array) -> float:
    squares_N = (embedding_ND**2).sum(axis=1)
    squared_NN = squares_N[:, None] + squares_N - 2 * embedding_ND @ embedding_ND.T
    median = float(np.median(squared_NN[np.triu_indices(len(squares_N), 1)])) if len(squares_N) > 1 else 0.0
    return median**0.5 if median > 0 else 1.0


def _axes(centred_ND: Array) -> Array:
    values_D, vectors_DD = np.linalg.eigh(centred_ND.T @ centred_ND / max(1, len(centred_ND)))
    many = max(1, min(AXES, len(centred_ND) // TEXTS_AN_AXIS))
    kept = [
        axis
        for axis in range(len(values_D))[::-1][:many]
        if values_D[axis] > 1e-9 * max(values_D[-1], 1e-300)
    ]
    return np.asarray(vectors_DD[:, kept] / np.sqrt(values_D[kept]))


def _means(raw: tuple[Array, Array], chosen_N: NDArray[np.bool_]) -> tuple[Array, Array]:
    return raw[0][chosen_N].mean(axis=0), raw[1][chosen_N].mean(axis=0)


def _apart(window_BF: Array, reference_BF: Array, place: slice) -> Array:
    # The second half of a single text is empty.
    return np.asarray(
        window_BF[:, place] / window_BF[:, -1:].clip(min=1)
        - reference_BF[:, place] / reference_BF[:, -1:].clip(min=1)
    )


def _shares_apart(window_BC: Array, reference_BC: Array, texts_B1: Array) -> Array:
    """Give the squared Hellinger distance; texts of a window that have no category are spread as the reference is."""
    reference_BC = reference_BC / reference_BC.sum(axis=1, keepdims=True).clip(min=1)
    window_BC = (window_BC + reference_BC * (texts_B1 - window_BC.sum(axis=1, keepdims=True))) / texts_B1
    return np.asarray(((np.sqrt(window_BC) - np.sqrt(reference_BC)) ** 2).sum(axis=1) / 2)


def _told_apart(first_BF: Array, second_BF: Array) -> Array:
    """Score each half along the direction that was learnt on the other; the axes are whitened, so the direction is the difference."""
    inner_B = (first_BF * second_BF).sum(axis=1)
    lengths = [np.maximum(np.linalg.norm(half_BF, axis=1), 1e-12) for half_BF in (first_BF, second_BF)]
    return np.asarray((inner_B / lengths[0] + inner_B / lengths[1]) / 2)
