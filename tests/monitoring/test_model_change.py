"""A change of the model: bridged by topic; a change point at a break counts if both releases see it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from service_weeks import LABELS, start_of

from pipeline.base.config import Params
from pipeline.core.change.profile import share
from pipeline.core.monitor.bridging import measure_model_shifts
from pipeline.io.params_file import load_params
from pipeline.monitoring.model_change import find_topic_changes

HOURS, BREAK, TEXTS = 200, 120, 400
TONE = (0.3, 0.45, 0.25)
# How often each release is right about each label, by topic: what is lost goes to the other two labels. The
# spread over topics is that of the four sources of the default data, where neutral recall is 0.06 to 0.68.
RECALLS = {
    "movie": ((0.80, 0.50, 0.75), (0.85, 0.30, 0.85)),
    "nyt": ((0.75, 0.06, 0.80), (0.70, 0.40, 0.65)),
    "tweet": ((0.70, 0.68, 0.85), (0.72, 0.66, 0.86)),
    "amazon": ((0.82, 0.48, 0.80), (0.78, 0.55, 0.70)),
}


@pytest.fixture(scope="module")
def params() -> Params:
    return load_params(Path(__file__).parents[2] / "params.yaml")


def predict(recalls: tuple[float, ...], truth: np.ndarray, draw: np.ndarray) -> np.ndarray:
    """Predict with equal draws for equal texts, so that both releases are wrong about the same ones."""
    wrong = (truth + 1 + (draw * 1000 % 2).astype(int)) % 3
    return np.where(draw < np.array(recalls)[truth], truth, wrong)


def texts(random: np.random.Generator, tone: tuple[float, ...] = TONE) -> tuple[np.ndarray, np.ndarray]:
    return random.choice(3, size=TEXTS, p=tone), random.random(TEXTS)


def world(seed: int, *, later: tuple[float, ...] = TONE, seen: bool = True) -> list[Any]:
    """Write windows of four topics of one tone, `later` from the break on, where the release changes."""
    random = np.random.default_rng(seed)
    old_texts = {topic: texts(random) for topic in RECALLS}
    pairs = {
        topic: tuple(predict(RECALLS[topic][release], *old_texts[topic]).tolist() for release in (0, 1))
        for topic in RECALLS
    }
    carried = {topic: tuple([(one,) for one in side] for side in both) for topic, both in pairs.items()}
    shifts = measure_model_shifts(carried, LABELS, confidence=0.95)  # type: ignore[arg-type]
    topics = {topic: {"texts": TEXTS, "labels": shifts[topic], "by_old_release": {}} for topic in RECALLS}
    for topic in RECALLS if seen else ():
        before, after = pairs[topic][0], predict(RECALLS[topic][0], *texts(random, later)).tolist()
        for label, name in enumerate(LABELS):
            (old, old_error), (new, new_error) = (share(part.count(label), TEXTS) for part in (before, after))
            topics[topic]["by_old_release"][name] = (new - old, float(np.hypot(old_error, new_error)))
    windows = []
    for hour in range(HOURS):
        release = int(hour >= BREAK)
        change = {"from": "R1", "to": "R2", "texts": TEXTS, "labels": None, "topics": topics}
        windows.append(
            {
                "window": {"start": start_of(hour), "end": start_of(hour + 1)},
                "release": f"R{release + 1}",
                "topics": {
                    topic: _report(recalls[release], random, later if release else TONE)
                    for topic, recalls in RECALLS.items()
                },
                "model_change": change if hour == BREAK else None,
            }
        )
    return windows


def _report(recalls: tuple[float, ...], random: np.random.Generator, tone: tuple[float, ...]) -> Any:
    counts = np.bincount(predict(recalls, *texts(random, tone)), minlength=3) / TEXTS
    names = ("raw", "share", "low", "high", "spread", "noise")
    return {
        "texts": TEXTS,
        "prevalence": {
            label: {**dict.fromkeys(names, float(counts[row])), "corrected": False}
            for row, label in enumerate(LABELS)
        },
    }


def find(windows: list[Any], params: Params) -> dict[str, list[Any]]:
    baseline = {"last": start_of(-1), "series": {}}
    baselines: Any = dict.fromkeys(RECALLS, baseline)
    return find_topic_changes(windows, params, baselines=baselines, frozen={}, read_until="")


def test_on_constant_tone_a_change_of_the_model_is_no_change_point(params: Params) -> None:
    worlds = [find(world(seed), params) for seed in range(8)]
    false = sum(len(found) for found in worlds)

    assert false <= 1, f"{false} of 32 topic series show a false change point"


def test_without_the_bridge_it_would_be_one_in_nearly_every_topic(params: Params) -> None:
    windows = world(1)
    for window in windows:
        window["model_change"], window["release"] = None, "R1"

    assert len(find(windows, params)) >= 3


def test_a_true_change_at_the_break_is_found_as_both_releases_see_it(params: Params) -> None:
    found = find(world(3, later=(0.55, 0.25, 0.20)), params)

    assert set(found) >= {"movie", "tweet", "amazon"}
    assert all(start_of(BREAK - 4) <= found[topic][0]["time"] <= start_of(BREAK + 4) for topic in found)


def test_a_change_at_the_break_that_the_old_release_was_not_asked_about_does_not_count(
    params: Params,
) -> None:
    assert find(world(3, later=(0.55, 0.25, 0.20), seen=False), params) == {}


def test_after_a_change_of_unknown_effect_the_series_begins_anew(params: Params) -> None:
    windows = world(1)
    windows[BREAK]["model_change"] = {"from": "R1", "to": "R2", "texts": 0, "labels": None, "why": "few"}

    assert find(windows, params) == {}
