"""The profile of a window: the few means that tell whether a topic is still what it was.

Legend: N texts, D width of an embedding, A axes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.base.documents import ChangeKind, WindowProfile
from pipeline.core.clean.language import UNDETERMINED
from pipeline.core.monitor.detectors import WindowSample
from pipeline.core.monitor.embedding_map import EmbeddingMap

Array = NDArray[np.float64]
AXES = 8  # principal axes of the embedding
MAX_LANGUAGES = 5  # counted by name; the others are one
OTHER_LANGUAGE = "other"
USUAL_LANGUAGE = 0.01  # of the texts of the learning time
DIGITS = 6
# What a series tells of, by the part of its name before "/"; the first kind explains those after it: foreign
# texts move the embedding and the labels too.
KINDS: Mapping[str, ChangeKind] = {
    "language": "language",
    "unknown": "encoding",
    "length": "encoding",
    "topic": "topic",
    "label": "label",
    "confidence": "label",
}
# They are the same whichever release predicts.
MODEL_FREE = ("language", "length")


def describe_window(
    sample: WindowSample, label_counts: Mapping[str, int], texts: int, embedding: EmbeddingMap | None
) -> WindowProfile:
    """Compute the profile from a sample of a window's texts and the predictions of all its `texts`.

    A text counts for each label that it has.
    """
    columns = {
        "confidence": sample.confidence,
        "unknown": sample.unknown,
        "length": np.log(np.maximum(sample.words, 1)),
    }
    if embedding is not None and sample.embedding is not None:
        axes_NA = embedding.features(sample.embedding, sample.predicted)[1][:, :AXES]
        columns |= {f"topic/{axis}": axes_NA[:, axis] for axis in range(axes_NA.shape[1])}
    mean = {name: float(values_N.mean()) for name, values_N in columns.items()}
    noise = {name: float(values_N.std() / len(sample) ** 0.5) for name, values_N in columns.items()}
    for label, count in label_counts.items():
        mean[f"label/{label}"], noise[f"label/{label}"] = share(count, texts)
    counted = Counter(str(lang) for lang in sample.lang if lang != UNDETERMINED).most_common()
    languages = dict(counted[:MAX_LANGUAGES])
    if rest := sum(count for _, count in counted[MAX_LANGUAGES:]):
        languages[OTHER_LANGUAGE] = rest
    return {
        "mean": {name: round(value, DIGITS) for name, value in mean.items()},
        "noise": {name: round(value, DIGITS) for name, value in noise.items()},
        "languages": languages,
    }


def share(count: int, total: int) -> tuple[float, float]:
    """Compute a share and its standard error, with half a text on each side so that it is never 0."""
    smooth = (count + 0.5) / (total + 1)
    return count / max(1, total), (smooth * (1 - smooth) / max(1, total)) ** 0.5


def kind_of(series: str) -> ChangeKind:
    """Return what kind of change a series tells of."""
    return KINDS[series.partition("/")[0]]


def usual_languages(profiles: Sequence[WindowProfile]) -> list[str]:
    """Return the languages that are usual in some windows, the most frequent first."""
    counts: Counter[str] = Counter()
    for profile in profiles:
        counts.update(profile["languages"])
    total = counts.total()
    return [name for name, count in counts.most_common() if count >= USUAL_LANGUAGE * total]


def series_values(profile: WindowProfile, languages: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Return each series of a window with its standard error, given the usual languages of the topic."""
    values = {name: (mean, profile["noise"][name]) for name, mean in profile["mean"].items()}
    counts = profile["languages"]
    if total := sum(counts.values()):
        unusual = sum(count for name, count in counts.items() if name not in languages)
        values["language/unusual"] = share(unusual, total)
        if languages:
            values[f"language/{languages[0]}"] = share(counts.get(languages[0], 0), total)
    return values
