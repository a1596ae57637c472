"""Seven detectors of drift: each measures the distance of a window from the reference.

Where a text may have several labels there is one for each label instead of one for all: `label/NAME`.

Every distance is a function of means of fixed features, so thousands of resampled windows cost one sum each.
The detectors are:

- label, language: squared Hellinger distance of the shares, rare categories together; of a label by itself
  that of having it and not having it. Unlike chi-square and
  the population stability index it does not depend on the noise of rare categories. Texts too short for
  language detection have no language.
- confidence, length, unknown: largest distance between the distribution functions (Kolmogorov and Smirnov) at
  quantiles of the reference.
- mmd: squared maximum mean discrepancy (Gretton et al., 2012) of the embeddings under a Gaussian kernel as
  wide as the median distance, by random Fourier features (Rahimi and Recht, 2007).
- classifier: how well a linear discriminant, fitted on one half, separates window from reference on the other
  half, in standard deviations (Lopez-Paz and Oquab, 2017; the mean score in place of the accuracy, as Cheng
  and Cloninger, 2022, find stronger).

Embeddings are centred on their mean in the reference among texts with the same predicted label, so a shift of
the label shares alone does not move mmd and classifier. Legend: N texts, D width of an embedding, F features,
C categories, B resamples, H the two halves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from pipeline.core.clean.language import UNDETERMINED
from pipeline.core.monitor.embedding_map import Array, EmbeddingMap

CATEGORIES, ORDERED, EMBEDDED = (
    ("label", "language"),
    ("confidence", "length", "unknown"),
    ("mmd", "classifier"),
)
LABEL = "label/"  # before the name of a label that is compared by itself
RARE = 0.01  # categories with a smaller share of the reference are pooled
QUANTILES = 32  # of the reference


@dataclass(frozen=True)
class WindowSample:
    """N texts as the detectors see them.

    `predicted` are indices of labels, `words` lengths, `unknown` shares of unknown tokens; `embedding` is
    NxD, None where only hashes of the texts are stored; `request` and `position` name each text. Where a text
    may have several labels, `carried` says of each label which texts have it, and `predicted` is the most
    probable one of a text, or behind the last one where it has none.
    """

    predicted: NDArray[np.int64]
    confidence: Array
    words: Array
    unknown: Array
    lang: NDArray[np.str_]
    embedding: Array | None
    request: tuple[str, ...]
    position: tuple[int, ...]
    carried: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        columns = [getattr(self, one.name) for one in fields(self) if one.name != "carried"]
        columns += self.carried.values()
        assert len({len(column) for column in columns if column is not None}) == 1

    def __len__(self) -> int:
        return len(self.predicted)

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> "WindowSample":
        """Return the texts of these rows, in this order."""
        rows = np.asarray(rows, dtype=np.int64)
        return WindowSample(
            self.predicted[rows],
            self.confidence[rows],
            self.words[rows],
            self.unknown[rows],
            self.lang[rows],
            None if self.embedding is None else self.embedding[rows],
            tuple(self.request[row] for row in rows),
            tuple(self.position[row] for row in rows),
            {label: has_N[rows] for label, has_N in self.carried.items()},
        )


@dataclass(frozen=True)
class FeatureMap:
    """Map texts to features, and means of features to distances; fitted on the reference alone.

    The embedding detectors are absent where the reference has no embeddings.
    """

    categories: Mapping[str, tuple[str, ...]]
    quantiles: Mapping[str, Array]
    embedding: EmbeddingMap | None
    labels: tuple[str, ...] = ()

    @classmethod
    def of(cls, reference: WindowSample, *, seed: int) -> "FeatureMap":
        """Fit categories, quantiles, the width of the kernel and the principal axes."""
        # Labels that are compared by themselves are no categories, which exclude each other.
        names = CATEGORIES[1:] if reference.carried else CATEGORIES
        categories = {name: _frequent(_category(reference, name)) for name in names}
        quantiles = {name: _quantiles(_ordered(reference, name)) for name in ORDERED}
        embedding = None
        if reference.embedding is not None:
            embedding = EmbeddingMap.of(reference.embedding, reference.predicted, seed=seed)
        return cls(categories, quantiles, embedding, tuple(reference.carried))

    @property
    def columns(self) -> dict[str, slice]:
        """Return which features belong to which detector."""
        widths = {f"{LABEL}{label}": 1 for label in self.labels}
        widths |= {name: len(values) + 1 for name, values in self.categories.items()}
        widths |= {name: len(values) for name, values in self.quantiles.items()}
        if self.embedding is not None:
            widths["mmd"] = 2 * self.embedding.frequencies_DF.shape[1]
            widths["classifier"] = self.embedding.axes_DF.shape[1]
        ends = np.cumsum(list(widths.values())).tolist()
        return {
            name: slice(end - width, end) for (name, width), end in zip(widths.items(), ends, strict=True)
        }

    def features(self, sample: WindowSample) -> NDArray[np.float32]:
        """Compute the features of each text, NxF; the last is 1, so that sums count their texts."""
        parts: list[NDArray[np.bool_] | Array] = [sample.carried[label][:, None] for label in self.labels]
        parts += [_one_hot(_category(sample, name), values) for name, values in self.categories.items()]
        parts += [_ordered(sample, name)[:, None] <= values for name, values in self.quantiles.items()]
        if self.embedding is not None:
            assert sample.embedding is not None
            parts += self.embedding.features(sample.embedding, sample.predicted)
        parts.append(np.ones((len(sample), 1)))
        return np.concatenate([part.astype(np.float32) for part in parts], axis=1)

    def unseen_row(self, features_NF: NDArray[np.float32]) -> NDArray[np.float32]:
        """Make the features of a text unlike any in the reference; 1xF.

        It has another label and language, and more unknown tokens than any. What did not occur among n texts
        is not impossible. It gets the probability of one more text (Laplace's rule of succession), or the
        first such text in a window would be an alarm.
        """
        unseen_1F, columns = features_NF[:1].copy(), self.columns
        for label in self.labels:
            has_N = features_NF[:, columns[f"{LABEL}{label}"]]
            unseen_1F[:, columns[f"{LABEL}{label}"]] = has_N.mean() < 0.5
        for name in self.categories:
            unseen_1F[:, columns[name]] = 0
            unseen_1F[:, columns[name].stop - 1] = 1
        unseen_1F[:, columns["unknown"]] = 0
        return unseen_1F

    def distances(self, window_HBF: Array, reference_HBF: Array) -> dict[str, Array]:
        """Measure windows from references, given the sums over each half (2xBxF); B distances each."""
        window_BF, reference_BF = window_HBF.sum(axis=0), reference_HBF.sum(axis=0)
        distances: dict[str, Array] = {}
        for name, columns in self.columns.items():
            if name.startswith(LABEL):
                distances[name] = _indicator_distance(window_BF, reference_BF, columns)
            elif name in CATEGORIES:
                distances[name] = _hellinger(
                    window_BF[:, columns], reference_BF[:, columns], window_BF[:, -1:]
                )
            elif name in ORDERED:
                distances[name] = np.abs(_mean_difference(window_BF, reference_BF, columns)).max(axis=1)
            elif name == "mmd":
                distances[name] = (_mean_difference(window_BF, reference_BF, columns) ** 2).sum(axis=1)
            else:
                halves = [_mean_difference(window_HBF[h], reference_HBF[h], columns) for h in (0, 1)]
                distances[name] = _discriminant_score(halves[0], halves[1])
        return distances


def _category(sample: WindowSample, name: str) -> NDArray[np.str_]:
    return sample.lang if name == "language" else sample.predicted.astype(str)


def _ordered(sample: WindowSample, name: str) -> Array:
    return {"confidence": sample.confidence, "length": sample.words, "unknown": sample.unknown}[name]


def _frequent(values_N: NDArray[np.str_]) -> tuple[str, ...]:
    values, counts = np.unique(values_N[values_N != UNDETERMINED], return_counts=True)
    return tuple(values[counts >= RARE * counts.sum()].tolist())


def _quantiles(values_N: Array) -> Array:
    return np.unique(np.quantile(values_N, np.linspace(0, 1, QUANTILES + 1), method="inverted_cdf"))


def _one_hot(values_N: NDArray[np.str_], categories: Sequence[str]) -> NDArray[np.bool_]:
    hot_CN = np.array([values_N == value for value in categories]).reshape(len(categories), len(values_N))
    hot_NC = hot_CN.T
    other_N = ~hot_NC.any(axis=1) & (values_N != UNDETERMINED)
    return np.concatenate([hot_NC, other_N[:, None]], axis=1)


def _mean_difference(window_BF: Array, reference_BF: Array, columns: slice) -> Array:
    # The second half of a single text is empty.
    return np.asarray(
        window_BF[:, columns] / window_BF[:, -1:].clip(min=1)
        - reference_BF[:, columns] / reference_BF[:, -1:].clip(min=1)
    )


def _hellinger(window_BC: Array, reference_BC: Array, texts_B1: Array) -> Array:
    """Compute the squared Hellinger distance; texts without a category are spread as the reference is."""
    reference_BC = reference_BC / reference_BC.sum(axis=1, keepdims=True).clip(min=1)
    window_BC = (window_BC + reference_BC * (texts_B1 - window_BC.sum(axis=1, keepdims=True))) / texts_B1
    return np.asarray(((np.sqrt(window_BC) - np.sqrt(reference_BC)) ** 2).sum(axis=1) / 2)


def _indicator_distance(window_BF: Array, reference_BF: Array, columns: slice) -> Array:
    """Compute the squared Hellinger distance of the share of texts that have a label."""
    window_BC, reference_BC = (
        np.concatenate([sums_BF[:, columns], sums_BF[:, -1:] - sums_BF[:, columns]], axis=1)
        for sums_BF in (window_BF, reference_BF)
    )
    return _hellinger(window_BC, reference_BC, window_BF[:, -1:])


def _discriminant_score(first_BF: Array, second_BF: Array) -> Array:
    """Score each half along the direction fitted on the other: on whitened axes the mean difference."""
    inner_B = (first_BF * second_BF).sum(axis=1)
    lengths = [np.maximum(np.linalg.norm(half_BF, axis=1), 1e-12) for half_BF in (first_BF, second_BF)]
    return np.asarray((inner_B / lengths[0] + inner_B / lengths[1]) / 2)
