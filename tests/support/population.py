"""A simulated population of texts as numbers only: it stays the same unless a shift is applied."""

import dataclasses
from collections.abc import Callable

import numpy as np

from pipeline.base.config.operations import DriftConfig
from pipeline.core.monitor.detectors import WindowSample

WIDTH = 16
HEAD_WL = np.random.default_rng(4).standard_normal((WIDTH, 3))

Shift = Callable[[WindowSample, np.random.Generator], WindowSample]


def drift_config(**changed: float) -> DriftConfig:
    settings = {
        "alarm_windows": 2,
        "of_windows": 3,
        "max_texts": 100,
        "resamples": 2000,
        "examples": 10,
    }
    return DriftConfig.model_validate({**settings, **changed})


def texts(count: int, random: np.random.Generator) -> WindowSample:
    """Draw texts; a linear head predicts the label, one text in 300 is foreign, one has unknown tokens."""
    embedding = random.standard_normal((count, WIDTH)) / np.sqrt(np.arange(1, WIDTH + 1))
    words = np.floor(random.lognormal(2.7, 0.5, count)) + 1
    foreign = random.random(count) < 1 / 300
    unknown = np.where(random.random(count) < 1 / 300, random.uniform(0.05, 0.3, count), 0.0)
    lang = np.where(words < 8, "und", np.where(foreign, "la", "en"))
    predicted, confidence = _predict(embedding)
    return WindowSample(
        predicted,
        confidence,
        words,
        unknown,
        lang,
        embedding,
        tuple(f"r{row}" for row in range(count)),
        (0,) * count,
    )


def _predict(embedding: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    logits = embedding @ HEAD_WL
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return logits.argmax(axis=1), odds.max(axis=1) / odds.sum(axis=1)


def new_topic(sample: WindowSample, random: np.random.Generator) -> WindowSample:
    """Move the embeddings by three quarters of a standard deviation along eight axes."""
    embedding = sample.embedding + np.where(np.arange(WIDTH) < 8, 0.75, 0) / np.sqrt(np.arange(1, WIDTH + 1))
    predicted, confidence = _predict(embedding)
    return dataclasses.replace(sample, embedding=embedding, predicted=predicted, confidence=confidence)


def broken_encoding(sample: WindowSample, random: np.random.Generator) -> WindowSample:
    """Turn most tokens of every fourth text into unknown ones."""
    broken = random.random(len(sample)) < 0.25
    embedding = np.where(broken[:, None], 0.3, sample.embedding)
    predicted, confidence = _predict(embedding)
    unknown = np.where(broken, 0.6, sample.unknown)
    return dataclasses.replace(
        sample, embedding=embedding, predicted=predicted, confidence=confidence, unknown=unknown
    )


def other_language(sample: WindowSample, random: np.random.Generator) -> WindowSample:
    """Make every fourth text German, which moves its embedding too."""
    german = random.random(len(sample)) < 0.25
    embedding = sample.embedding + np.where(german[:, None], 0.3, 0)
    lang = np.where(german & (sample.lang != "und"), "de", sample.lang)
    return dataclasses.replace(sample, embedding=embedding, lang=lang)


def worse_mood(sample: WindowSample, random: np.random.Generator) -> WindowSample:
    """Keep all texts with the first label and one in four of the others: equal texts, other shares."""
    return sample.take(np.flatnonzero((sample.predicted == 0) | (random.random(len(sample)) < 0.25)))
