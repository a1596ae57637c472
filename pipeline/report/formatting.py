"""Figures as people read them: the same on the page, in Markdown and on the timeline."""

import math

BASELINES = {"tfidf": "TF-IDF + logistic regression", "vader": "VADER lexicon"}
VERDICTS = {
    "accepted": "Accepted by the gate",
    "refused": "Refused by the gate",
    "waiting": "Accepted by the gate, waits for a person",
}
THRESHOLDS = {"temperature": "Temperature of the probabilities", "uncertain": "An answer is uncertain below"}
NONE = "–"


def baseline_name(name: str) -> str:
    """Name a baseline in words."""
    return BASELINES.get(name, name)


def score(value: float | None, signed: bool = False) -> str:
    """Write a score with three places."""
    return NONE if value is None else f"{value:+.3f}" if signed else f"{value:.3f}"


def integer(value: int | None) -> str:
    """Write a whole number with its thousands apart."""
    return NONE if value is None else f"{value:,}"


def percent(value: float | None, places: int = 0) -> str:
    """Write a share in per cent."""
    return NONE if value is None else f"{value:.{places}%}"


def decimal(value: float | None) -> str:
    """Write a measured size or time with one place."""
    return NONE if value is None else f"{value:,.1f}"


def rounded(value: float | None) -> str:
    """Write a rate without places."""
    return NONE if value is None else f"{value:,.0f}"


def p_value(value: float | None) -> str:
    """Write a p-value; a very small one only as small."""
    return NONE if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def utc_time(time: str | None) -> str:
    """Shorten a UTC time of the ledger for a reader; leave any other as it is."""
    if time is None:
        return NONE
    utc = time.endswith(("Z", "+00:00")) and len(time) >= 16
    return f"{time[:10]} {time[11:16]} UTC" if utc else time


def interval_name(confidence: float | None) -> str:
    """Name an interval by its confidence."""
    return f"{confidence:.0%} interval" if confidence else "interval"


def shortfall(missing: float | None, unit: str | None) -> str:
    """Say the smallest change of a figure that would have let a part pass; empty when none is known.

    Rounded up at the third figure: rounded down it would not have been enough.
    """
    if missing is None or not math.isfinite(missing):
        return ""
    size = abs(missing)
    step = 10.0 ** (math.floor(math.log10(size)) - 2) if size else 1.0
    # The small term keeps 0.0042 from becoming 0.00421.
    found = math.ceil(size / step - 1e-6) * step
    places = max(0, -math.floor(math.log10(step) + 1e-9)) if size else 0
    return f"{found:,.{places}f} {unit or ''}".strip()
