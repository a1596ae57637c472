"""Numbers and times as people read them: the same on the page, in Markdown and on the dashboard."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.base.tasks.scores import drop_of, score_head, score_interval, score_of, score_title

BASELINES = {
    "frozen_encoder": "Frozen encoder + logistic regression",
    "token_counts": "Counts of tokens",
    "tfidf": "TF-IDF + logistic regression",
    "vader": "VADER lexicon",
}
VERDICTS = {
    "accepted": "Accepted by the gate",
    "refused": "Refused by the gate",
    "waiting": "Accepted by the gate, waiting for approval",
}
THRESHOLDS = {"temperature": "Temperature of the softmax", "uncertain": "Uncertain below a probability of"}
NONE = "–"


def baseline_name(name: str) -> str:
    """Return the full name of a baseline; an unknown name stays as it is."""
    return BASELINES.get(name, name)


def score(value: float | None, signed: bool = False) -> str:
    """Format a score to three decimals, with its sign if `signed`; None is a dash."""
    if value is None:
        return NONE
    return f"{value:+.3f}" if signed else f"{value:.3f}"


def integer(value: int | None) -> str:
    """Format an integer with thousands separators."""
    return NONE if value is None else f"{value:,}"


def percent(value: float | None, places: int = 0) -> str:
    """Format a share in [0, 1] as a percentage."""
    return NONE if value is None else f"{value:.{places}%}"


def decimal(value: float | None) -> str:
    """Format a size or a time to one decimal."""
    return NONE if value is None else f"{value:,.1f}"


def rounded(value: float | None) -> str:
    """Format a rate without decimals."""
    return NONE if value is None else f"{value:,.0f}"


def p_value(value: float | None) -> str:
    """Format a p-value to three decimals, one below 0.001 only as such; None is a dash."""
    if value is None:
        return NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def utc_time(time: str | None) -> str:
    """Format a UTC time of the ledger to the minute; return any other text unchanged."""
    if time is None:
        return NONE
    utc = time.endswith(("Z", "+00:00")) and len(time) >= 16
    return f"{time[:10]} {time[11:16]} UTC" if utc else time


def interval_name(confidence: float | None) -> str:
    """Return the name of an interval with its confidence."""
    return f"{confidence:.0%} interval" if confidence else "interval"


def shortfall(value: float | None, unit: str | None) -> str:
    """Format by how much a gate check fell short; empty if that is unknown.

    Rounded up at the third significant digit: rounded down, the change would not have been enough.
    """
    if value is None or not math.isfinite(value):
        return ""
    size = abs(value)
    step = 10.0 ** (math.floor(math.log10(size)) - 2) if size else 1.0
    # The small term keeps 0.0042 from becoming 0.00421.
    amount = math.ceil(size / step - 1e-6) * step
    places = max(0, -math.floor(math.log10(step) + 1e-9)) if size else 0
    return f"{amount:,.{places}f} {unit or ''}".strip()


# By name, for the templates of the reports and of the dashboard.
FILTERS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        score,
        integer,
        percent,
        decimal,
        rounded,
        p_value,
        utc_time,
        baseline_name,
        interval_name,
        score_head,
        score_interval,
        score_of,
        score_title,
        drop_of,
    )
}
