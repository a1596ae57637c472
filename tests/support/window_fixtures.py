"""Window reports as the watch writes them: a change of the model, then a negative topic that drifts."""

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

DETECTORS = ("label", "confidence", "length", "unknown", "language", "mmd", "classifier")
END = datetime(2026, 11, 25, 8, tzinfo=UTC)


def write(
    folder: Path,
    *,
    windows: int = 72,
    topics: tuple[str, ...] = ("phones", "trains"),
    until: datetime = END,
    method: str = "ppi",
) -> None:
    """Write hourly windows up to `until`: after two thirds the model changes, then `topics[0]` drifts.

    `method` is how their shares are corrected.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(20)
    for number in range(windows):
        start = until - timedelta(hours=windows - number)
        # One window in the night has no predictions.
        if number != windows // 4:
            document = _window(start, number / windows, (number - 1) / windows, topics, random, method=method)
            (folder / f"{start.strftime('%Y-%m-%dT%H-%M-%SZ')}.json").write_text(
                json.dumps(document), "utf-8"
            )
    when = (until - timedelta(hours=windows - round(windows * 0.75))).strftime("%Y-%m-%dT%H:%M:%SZ")
    change_point = {
        "time": when,
        "label": "negative",
        "before": 0.24,
        "after": 0.41,
        "change": 0.17,
        "low": 0.12,
        "high": 0.22,
        "detected": when,
    }
    (folder / "events.json").write_text(json.dumps({topics[0]: [change_point]}), "utf-8")


def _window(
    start: datetime,
    part: float,
    before: float,
    topics: tuple[str, ...],
    random: np.random.Generator,
    *,
    method: str,
) -> dict[str, Any]:
    turned, new, older = part >= 0.75, part >= 0.66, before >= 0.66
    night = 0.55 + 0.45 * math.sin((start.hour - 9) / 24 * 2 * math.pi)
    sizes = {
        topic: int(max(170 - 10 * number, 60, 300 - 130 * number) * night + random.integers(20, 60))
        for number, topic in enumerate(topics)
    }
    topic_reports = {
        topic: _topic(size, random, turned=turned and topic == topics[0], part=part, method=method)
        for topic, size in sizes.items()
    }
    all_texts = _topic(sum(sizes.values()), random, turned=turned, part=part, method=method, mild=True)
    changed = new and not older
    labels = {
        label: _shift(by) for label, by in (("negative", -0.02), ("neutral", 0.005), ("positive", 0.015))
    }
    return {
        "window": {
            "start": start.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "end": (start + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
        "release": "R2" if new else "R1",
        "data_version": "v1",
        "predictions": sum(sizes.values()),
        "releases": {"R2" if new else "R1": sum(sizes.values())},
        "topics": {"all": all_texts, **topic_reports},
        "model_change": {"from": "R1", "to": "R2", "texts": 400, "labels": labels} if changed else None,
    }


def _shift(by: float) -> dict[str, float]:
    difference = {"difference": by, "low": by - 0.01, "high": by + 0.01, "spread": 0.005}
    return {**difference, "shift": by, "shift_low": by - 0.01, "shift_high": by + 0.01, "shift_spread": 0.005}


def _topic(
    texts: int, random: np.random.Generator, *, turned: bool, part: float, method: str, mild: bool = False
) -> dict[str, Any]:
    if texts < 50:
        return {"texts": texts, "prevalence": None, "drift": None, "observed": None, "estimated": None}
    true = np.array([0.24, 0.33, 0.43]) + (
        np.array([0.17, -0.02, -0.15]) * (0.6 if mild else 1) if turned else 0
    )
    predicted = random.multinomial(texts, true) / texts
    spread = np.sqrt(true * (1 - true) / texts) * 1.4 + 0.006
    prevalence = {
        name: {
            "raw": float(g),
            "mean_probability": float(g),
            "share": float(g),
            "low": float(max(0, g - 1.96 * s)),
            "high": float(g + 1.96 * s),
            "spread": float(s),
            "noise": float(s) * 0.8,
            "corrected": True,
            "method": method,
            "labels": 120,
        }
        for name, g, s in zip(("negative", "neutral", "positive"), predicted, spread, strict=True)
    }
    p = {name: float(random.uniform(0.03, 1)) for name in DETECTORS}
    if turned and part >= 0.79:
        p |= {"label": 0.0004, "mmd": 0.0009, "classifier": 0.002, "confidence": 0.03}
    detectors = {
        name: {"statistic": 0.1, "threshold": 0.2, "p": value, "drifted": value < 0.01}
        for name, value in p.items()
    }
    drifted = any(report["drifted"] for report in detectors.values())
    observed = random.binomial(40, 0.78) / 40
    right = 0.79 + float(random.normal(0, 0.008)) - (0.05 if turned else 0)
    examples = [
        {"request": f"7f3a9c{number:02d}", "position": number % 3, "score": 1.0 - number / 10}
        for number in range(10)
    ]
    return {
        "texts": texts,
        "prevalence": prevalence,
        "drift": {
            "p": min(p.values()) * 7,
            "level": 0.002,
            "drifted": drifted,
            "kind": "topic" if drifted else None,
            "detectors": detectors,
            "examples": examples if drifted else [],
            "alarm": drifted and part >= 0.82,
        },
        "observed": {
            "labels": 40,
            "accuracy": float(observed),
            "low": float(observed) - 0.13,
            "high": min(1.0, float(observed) + 0.11),
            "macro_f1": float(observed) - 0.02,
        }
        if texts > 150 and part * 100 % 3 < 1.6
        else None,
        "estimated": {"accuracy": right, "low": right - 0.025, "high": right + 0.025},
    }


def downgrade(path: Path) -> None:
    """Rewrite a window report in the shape of the first version."""
    document = json.loads(path.read_text("utf-8"))
    document["answers"] = document.pop("predictions")
    document["break"] = document.pop("model_change")
    for topic in document["topics"].values():
        topic["shares"] = topic.pop("prevalence")
        for entry in (topic["shares"] or {}).values():
            for key in ("mean_probability", "method", "labels"):
                del entry[key]
    path.write_text(json.dumps(document), "utf-8")
