"""An e-detector: the evidence that a series has changed since some window, whichever that is.

For each window of the last WINDOWS as the onset, an e-process grows by the likelihood ratio of a lasting step
since then, mixed over its size (a normal mixture: Robbins, 1970). Their sum is an e-detector of
Shiryaev-Roberts kind: without a change its expectation after n windows is at most n, so it reaches a
threshold c after c windows on average at the earliest (Shin, Ramdas and Rinaldo, 2024). A mean of e-detectors
is one too, so those of one kind are averaged. A step of size d moves the innovation by d less what the filter
has followed of it. Legend: S series, T windows, W onsets.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core.change.innovations import Innovations

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
WINDOWS = 48
STEP = 3.0  # standard deviations of an innovation: the size of the steps that are mixed


@dataclass(frozen=True)
class Evidence:
    """The logarithm of the e-detector at each window, and the most likely onset as a row; TxS each."""

    log_e: Array
    onset: NDArray[np.int64]


def detect(innovations: Innovations, *, since: int | Rows) -> Evidence:
    """Run the e-detectors of series side by side; no onset lies before row `since`, one for all or S."""
    rows, series = innovations.value.shape
    log_e, onsets = np.full((rows, series), -np.inf), np.zeros((rows, series), dtype=np.int64)
    followed, moved, information = (np.zeros((WINDOWS, series)) for _ in range(3))
    started = np.full(WINDOWS, -1)
    spread_S = STEP**2 * np.median(innovations.variance, axis=0) if rows else np.zeros(series)
    since_S = np.maximum(0, np.broadcast_to(np.asarray(since, dtype=np.int64), (series,)))
    for row in range(int(since_S.min(initial=rows)), rows):
        place = row % WINDOWS
        followed[place] = moved[place] = information[place] = 0.0
        started[place] = row
        followed *= innovations.decay[row]
        left = 1 - followed
        weight = innovations.known[row] / innovations.variance[row]
        moved += left * innovations.value[row] * weight
        information += left**2 * weight
        followed += innovations.gain[row] * left
        wide = 1 + spread_S * information
        logs = moved**2 * spread_S / wide / 2 - np.log(wide) / 2
        logs[started[:, None] < since_S] = -np.inf
        log_e[row] = _log_sum(logs)
        onsets[row] = started[logs.argmax(axis=0)]
    return Evidence(log_e, onsets)


def log_mean(log_e_TS: Array) -> Array:
    """Average e-detectors, given and returned as logarithms; T."""
    return np.asarray(_log_sum(log_e_TS.T) - np.log(log_e_TS.shape[1]))


def _log_sum(logs: Array) -> Array:
    top = logs.max(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = top + np.log(np.exp(logs - top).sum(axis=0))
    return np.where(np.isfinite(top), total, -np.inf)
