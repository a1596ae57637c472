"""A world whose texts are figures only: what its people write does not change, unless it is told to."""

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
        "false_alarms_per_quarter": 1.0,
        "alarm_windows": 2,
        "of_windows": 3,
        "max_texts": 100,
        "resamples": 2000,
        "examples": 10,
    }
    return DriftConfig.model_validate({**settings, **changed})


def texts(many: int, chance: np.random.Generator) -> WindowSample:
    """Draw texts: a guess is what a linear head makes of the embedding; in 300 texts one is foreign, and one has unknown tokens."""
    embedding = chance.standard_normal((many, WIDTH)) / np.sqrt(np.arange(1, WIDTH + 1))
    words = np.floor(chance.lognormal(2.7, 0.5, many)) + 1
    foreign = chance.random(many) < 1 / 300
    unknown = np.where(chance.random(many) < 1 / 300, chance.uniform(0.05, 0.3, many), 0.0)
    lang = np.where(words < 8, "und", np.where(foreign, "la", "en"))
    guess, confidence = answered(embedding)
    return WindowSample(
        guess,
        confidence,
        words,
        unknown,
        lang,
        embedding,
        tuple(f"r{row}" for row in range(many)),
        (0,) * many,
    )


def answered(embedding: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    logits = embedding @ HEAD_WL
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return logits.argmax(axis=1), odds.max(axis=1) / odds.sum(axis=1)


def new_topic(sample: WindowSample, chance: np.random.Generator) -> WindowSample:
    """Move what is written about, by three quarters of a standard deviation along eight axes."""
    embedding = sample.embedding + np.where(np.arange(WIDTH) < 8, 0.75, 0) / np.sqrt(np.arange(1, WIDTH + 1))
    guess, confidence = answered(embedding)
    return dataclasses.replace(sample, embedding=embedding, guess=guess, confidence=confidence)


def broken_encoding(sample: WindowSample, chance: np.random.Generator) -> WindowSample:
    """Turn every fourth text into signs that the model has no words for, so that it sees next to nothing."""
    broken = chance.random(len(sample)) < 0.25
    embedding = np.where(broken[:, None], 0.3, sample.embedding)
    guess, confidence = answered(embedding)
    unknown = np.where(broken, 0.6, sample.unknown)
    return dataclasses.replace(
        sample, embedding=embedding, guess=guess, confidence=confidence, unknown=unknown
    )


def other_language(sample: WindowSample, chance: np.random.Generator) -> WindowSample:
    """Let every fourth text be German, which the model sees otherwise too."""
    german = chance.random(len(sample)) < 0.25
    embedding = sample.embedding + np.where(german[:, None], 0.3, 0)
    lang = np.where(german & (sample.lang != "und"), "de", sample.lang)
    return dataclasses.replace(sample, embedding=embedding, lang=lang)


def worse_mood(sample: WindowSample, chance: np.random.Generator) -> WindowSample:
    """Keep every text of the first label and but one in four of the others: the same texts, in other shares."""
    return sample.only(np.flatnonzero((sample.guess == 0) | (chance.random(len(sample)) < 0.25)))
