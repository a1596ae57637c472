"""Window reports of simulated weeks in service: cycles, autocorrelation, and planted changes."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.base.times import format_seconds

Array = NDArray[np.float64]
START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
LABELS = ("negative", "neutral", "positive")
DAY, WEEK = 24, 168
AXES = 8


def start_of(hour: int) -> str:
    return format_seconds(START + timedelta(hours=hour))


def wandering(hours: int, random: np.random.Generator, *, spread: float, rho: float = 0.9) -> Array:
    """Draw a stationary first-order autoregression with so much spread."""
    steps = random.normal(size=hours) * spread * (1 - rho**2) ** 0.5
    values = np.empty(hours)
    value = random.normal() * spread
    for hour in range(hours):
        value = rho * value + steps[hour]
        values[hour] = value
    return values


def cycling(hours: int, random: np.random.Generator, *, spread: float) -> Array:
    """Draw a daily and a weekly cycle with so much spread together."""
    hour = np.arange(hours)
    day, week = (np.sin(2 * np.pi * hour / length + random.uniform(0, 7)) for length in (DAY, WEEK))
    return (day + 0.5 * week) * spread / (1.25 / 2) ** 0.5


def label_shares(
    hours: int,
    random: np.random.Generator,
    *,
    cycle: float,
    spread: float,
    rho: float = 0.9,
    texts: int = 400,
    change: Array | float = 0.0,
) -> Array:
    """Draw the shares of three labels in hourly windows; the first is moved by `change`; Tx3."""
    first = 0.35 + cycling(hours, random, spread=cycle) + wandering(hours, random, spread=spread, rho=rho)
    first += change
    first = np.clip(first, 0.02, 0.9)
    second = (1 - first) * 0.55
    counts = random.multinomial(texts, np.stack([first, second, 1 - first - second], axis=1))
    return np.asarray(counts / texts)


def window_reports(
    topics: Mapping[str, Mapping[str, Any]],
    hours: int,
    *,
    release: Callable[[int], str] = lambda hour: "R1",
    profile: bool = True,
) -> list[dict[str, Any]]:
    """Write hourly window reports.

    A topic may set `texts` by hour, `shares` (Tx3), `unknown`, `length`, `foreign` by hour (mean values), and
    `axis` (mean of the first axis); what is missing stays as it is but for the noise of sampling.
    """
    random = np.random.default_rng(11)
    reports = []
    for hour in range(hours):
        described = {
            topic: _topic(settings, hour, random, profile=profile) for topic, settings in topics.items()
        }
        described = {topic: report for topic, report in described.items() if report["texts"]}
        total = sum(report["texts"] for report in described.values())
        if described:
            reports.append(
                {
                    "window": {"start": start_of(hour), "end": start_of(hour + 1)},
                    "release": release(hour),
                    "data_version": "v1",
                    "predictions": total,
                    "releases": {release(hour): total},
                    "topics": described,
                    "model_change": None,
                    "other_topics": 0,
                }
            )
    return reports


def _at(settings: Mapping[str, Any], name: str, hour: int, usual: float) -> float:
    values = settings.get(name, usual)
    return float(values[hour] if hasattr(values, "__len__") else values)


def _topic(
    settings: Mapping[str, Any], hour: int, random: np.random.Generator, *, profile: bool
) -> dict[str, Any]:
    texts = int(_at(settings, "texts", hour, 400))
    report: dict[str, Any] = {"texts": texts}
    report |= dict.fromkeys(("prevalence", "drift", "observed", "estimated"))
    if texts < 50:
        return report
    shares = settings.get("shares")
    row = random.multinomial(texts, (0.35, 0.35, 0.3)) / texts if shares is None else shares[hour]
    noise = np.sqrt(np.maximum(row * (1 - row), 0.01) / texts)
    report["prevalence"] = {
        label: {
            "raw": float(row[i]), "share": float(row[i]), "low": float(row[i] - 2 * noise[i]),
            "high": float(row[i] + 2 * noise[i]), "spread": float(noise[i]), "noise": float(noise[i]),
            "corrected": True,
        }
        for i, label in enumerate(LABELS)
    }  # fmt: skip
    if profile:
        report["profile"] = _profile(settings, hour, row, noise, min(texts, 400), random)
    return report


def _profile(
    settings: Mapping[str, Any], hour: int, row: Array, noise: Array, texts: int, random: np.random.Generator
) -> dict[str, Any]:
    root = texts**0.5
    spreads = {"confidence": 0.15, "unknown": 0.02, "length": 0.5}
    usual = {"confidence": 0.8, "unknown": 0.004, "length": 2.7}
    spreads |= {f"topic/{axis}": 1.0 for axis in range(AXES)}
    usual |= {f"topic/{axis}": 0.0 for axis in range(AXES)}
    usual["topic/0"] = _at(settings, "axis", hour, 0.0)
    mean = {
        name: _at(settings, name, hour, level) + random.normal() * spreads[name] / root
        for name, level in usual.items()
    }
    foreign = random.binomial(texts, _at(settings, "foreign", hour, 0.003))
    mean |= {f"label/{label}": float(row[i]) for i, label in enumerate(LABELS)}
    return {
        "mean": mean,
        "noise": {name: spread / root for name, spread in spreads.items()}
        | {f"label/{label}": float(noise[i]) for i, label in enumerate(LABELS)},
        "languages": {"en": texts - foreign, "de": foreign} if foreign else {"en": texts},
    }
