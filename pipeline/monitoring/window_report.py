"""One window of the journal as figures: shares with their error, drift and quality, of all texts together and of each topic."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from pipeline.base.config import WatchConfig
from pipeline.base.records import JournalEntry
from pipeline.base.seeds import seed_for
from pipeline.core.monitor import drift, prevalence, quality
from pipeline.core.monitor.detectors import WindowSample
from pipeline.core.monitor.windows import Window
from pipeline.monitoring.reference import ReleaseReference, build_sample

ALL = "all"
NOT_JUDGED = {"shares": None, "estimated": None, "drift": None}
# A true label, and the answer it is about.
LabelledEntry = tuple[str, JournalEntry]
Entry = TypeVar("Entry")


@dataclass(frozen=True)
class WindowContext:
    """Hold what every topic of a window is judged by: how many are, what the windows before said of each, and the chance of this one."""

    cfg: WatchConfig
    seed: int
    among: int
    before: Mapping[str, Sequence[bool]]

    @property
    def chance(self) -> dict[str, Any]:
        """Give what every interval is drawn with."""
        return {"resamples": self.cfg.resamples, "confidence": self.cfg.confidence, "seed": self.seed}


def describe_window(
    watched: ReleaseReference,
    answers: Sequence[JournalEntry],
    told: Sequence[LabelledEntry],
    *,
    window: Window,
    cfg: WatchConfig,
    seed: int,
    before: Mapping[str, Sequence[bool]],
) -> dict[str, Any]:
    """Build the document of a window from the answers that the watched release gave in it, and the true labels told in it.

    `before` says of each topic which of the windows before, the newest last, had drifted.
    """
    topics, labels = (
        by_topic(answers, [answer.topic for answer in answers]),
        by_topic(told, [answer.topic for _, answer in told]),
    )
    judged = [topic for topic, part in topics.items() if len(part) >= cfg.min_texts]
    at = WindowContext(cfg, seed_for(seed, "watch", window.start), len(judged), before)
    return {
        "window": {"start": window.start, "end": window.end},
        "release": watched.name,
        "data_version": watched.document["data_version"],
        "answers": len(answers),
        "topics": {
            topic: {
                "texts": len(part),
                "observed": _observed(watched, labels.get(topic, ()), at),
                **(_judged(watched, topic, part, at) if topic in judged else NOT_JUDGED),
            }
            for topic, part in topics.items()
        },
    }


def _observed(
    watched: ReleaseReference, told: Sequence[LabelledEntry], at: WindowContext
) -> dict[str, Any] | None:
    truth, guess = [label for label, _ in told], [answer.label for _, answer in told]
    return quality.observed_quality(truth, guess, watched.labels, **at.chance) if told else None


def _judged(
    watched: ReleaseReference, topic: str, answers: Sequence[JournalEntry], at: WindowContext
) -> dict[str, Any]:
    return {
        "shares": prevalence.estimate_prevalence(
            count_labels(answers, watched.labels), watched.confusion, watched.labels, **at.chance
        ),
        "estimated": quality.estimated_quality(
            [max(answer.probabilities) for answer in answers], **at.chance
        ),
        "drift": _drift(watched, topic, answers, at),
    }


def by_topic(entries: Sequence[Entry], topics: Sequence[str]) -> dict[str, list[Entry]]:
    """Part entries by their topics; all of them stand under `all` as well."""
    found: dict[str, list[Entry]] = {ALL: list(entries)}
    for entry, topic in zip(entries, topics, strict=True):
        found.setdefault(topic, []).append(entry)
    return found


def count_labels(answers: Sequence[JournalEntry], labels: Sequence[str]) -> list[int]:
    """Count the answers of each label."""
    counts = Counter(answer.label for answer in answers)
    return [counts[label] for label in labels]


def _drift(
    watched: ReleaseReference, topic: str, answers: Sequence[JournalEntry], at: WindowContext
) -> dict[str, Any]:
    cfg = at.cfg.drift
    rows = sorted(
        np.random.default_rng(at.seed).permutation(len(answers))[: drift.comparable_size(len(answers), cfg)]
    )
    window = _compared(watched, [answers[row] for row in rows])
    calibration = watched.calibration(topic, window, at.cfg, topics=at.among)
    found = drift.judge_window(window, calibration)
    examples = drift.most_moved_texts(window, calibration, cfg.examples)
    named = [
        {"request": request, "position": position, "score": score} for request, position, score in examples
    ]
    return {
        **found,
        "alarm": drift.alarm_starts([*at.before.get(topic, ()), found["drifted"]], cfg),
        "examples": named,
    }


def _compared(watched: ReleaseReference, answers: Sequence[JournalEntry]) -> WindowSample:
    columns: Mapping[str, list[Any]] = {
        "request": [answer.request for answer in answers],
        "position": [answer.position for answer in answers],
        "guess": [watched.labels.index(answer.label) for answer in answers],
        "confidence": [max(answer.probabilities) for answer in answers],
        "words": [answer.words for answer in answers],
        "unknown": [answer.unknown for answer in answers],
        "lang": [answer.lang or watched.language(answer.text) for answer in answers],
    }
    whole = all(answer.text for answer in answers)
    # Where only hashes are kept, what the model saw of a text is gone with it.
    seen = watched.predictor.embed([answer.text for answer in answers]).tolist() if whole else []
    return build_sample({**columns, "embedding": seen})
