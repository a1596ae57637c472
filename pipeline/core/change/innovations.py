"""Innovations: what a window adds to what the windows before it let one expect.

A series less its cycle is modelled as a level that wanders and returns, x = a + e, a' = rho a + u
(first-order autoregression), with noise e of two parts: that of so many texts, which is known for every
window, and a part that is the same in all. The Kalman filter (1960) turns it into innovations, which are
independent where the model holds, however strong the autocorrelation is. Legend: S series, T windows, G
candidate parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
RHOS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98)
SHARES = (0.25, 0.5, 1.0, 2.0)  # of the variance beyond that of sampling
LARGEST = 5.0  # standard deviations that one window counts at most, so that no single one raises an alarm
NEARLY = 2.7  # of twice the logarithm of the likelihood: the one-sided 95 % bound of one parameter
EXPONENTS = (1.0, 2.0, 3.0)
MIN_SPREAD = 0.005  # of any series: half a point of a share


@dataclass(frozen=True)
class Dynamics:
    """The autocorrelation and the variances of series, S each; `scale` widens what the filter expects."""

    rho: Array
    level: Array
    white: Array
    scale: Array


@dataclass(frozen=True)
class Innovations:
    """The innovation of each window, its variance, the gain of the filter and the decay before it; TxS each.

    Where a window has no value, `known` is 0, and so are the innovation and the gain.
    """

    value: Array
    variance: Array
    gain: Array
    decay: Array
    known: Array

    def of_series(self, columns: Sequence[int]) -> "Innovations":
        """Return those of some series."""
        rows = list(columns)
        return Innovations(
            self.value[:, rows],
            self.variance[:, rows],
            self.gain[:, rows],
            self.decay[:, rows],
            self.known[:, rows],
        )


def filter_series(values_TS: Array, noise_TS: Array, gaps_T: Array, dynamics: Dynamics) -> Innovations:
    """Filter series; `noise_TS` is the standard error of each value, `gaps_T` the windows since the last."""
    steps, parts = len(values_TS), []
    mean, variance = np.zeros_like(dynamics.rho), dynamics.level.copy()
    known_TS = np.isfinite(values_TS)
    filled_TS = np.where(known_TS, values_TS, 0.0)
    error_TS = np.where(known_TS, noise_TS, 0.0) ** 2
    for t in range(steps):
        decay = dynamics.rho ** gaps_T[t]
        mean, variance = mean * decay, decay**2 * variance + (1 - decay**2) * dynamics.level
        total = variance + error_TS[t] + dynamics.white
        limit = LARGEST * np.sqrt(total * dynamics.scale)
        value = np.where(known_TS[t], np.clip(filled_TS[t] - mean, -limit, limit), 0.0)
        gain = np.where(known_TS[t], variance / total, 0.0)
        mean, variance = mean + gain * value, (1 - gain) * variance
        parts.append((value, total * dynamics.scale, gain, decay, known_TS[t]))
    shape = (steps, *dynamics.rho.shape)
    columns = zip(*parts, strict=True) if parts else ((),) * 5
    return Innovations(*(np.array(column, dtype=np.float64).reshape(shape) for column in columns))


def fit_dynamics(values_TS: Array, noise_TS: Array, gaps_T: Array) -> Dynamics:
    """Fit the most likely parameters of each series on a grid, then the scale.

    The scale is the least at which the e-values of the learning windows average at most one, with the error
    of a variance of so many windows added: windows with heavy tails raise it.
    """
    series, grid = values_TS.shape[1], _grid()
    beyond_S = np.maximum(
        np.nanmean(np.where(np.isfinite(values_TS), values_TS**2 - noise_TS**2, np.nan), axis=0),
        MIN_SPREAD**2,
    )
    # All candidates of all series are filtered side by side.
    candidates = Dynamics(
        rho=np.repeat(grid[:, 0], series),
        level=(grid[:, 1, None] * beyond_S).ravel(),
        white=(grid[:, 2, None] * beyond_S).ravel(),
        scale=np.ones(len(grid) * series),
    )
    tiled = [np.tile(part_TS, (1, len(grid))) for part_TS in (values_TS, noise_TS)]
    fitted = filter_series(tiled[0], tiled[1], gaps_T, candidates)
    known = np.isfinite(tiled[0])
    terms = np.where(known, np.log(fitted.variance) + fitted.value**2 / fitted.variance, 0.0)
    best_S = _most_wandering(terms.sum(axis=0).reshape(len(grid), series), grid)
    chosen = best_S * series + np.arange(series)
    z_TS = np.where(known, fitted.value / np.sqrt(fitted.variance), np.nan)[:, chosen]
    scale_S = np.array([_scale(z_T[np.isfinite(z_T)]) for z_T in z_TS.T])
    return Dynamics(candidates.rho[chosen], candidates.level[chosen], candidates.white[chosen], scale_S)


def _grid() -> Array:
    """Return the candidates: the autocorrelation, and the variances of level and noise as multiples."""
    wandering = [(rho, level, white) for rho, level, white in product(RHOS[1:], SHARES, (0.0, *SHARES[:3]))]
    return np.array([*((0.0, 0.0, white) for white in SHARES), *wandering])


def _most_wandering(deviance_GS: Array, grid: Array) -> NDArray[np.int64]:
    """Choose the candidate that expects most slow swings, of those nearly as likely as the best one.

    A few weeks hold few slow swings, so the most likely candidate often expects too little of them, and the
    next swing would be an alarm. The slow variance is the spectral density at 0.
    """
    slow_G = grid[:, 1] * (1 + grid[:, 0]) / (1 - grid[:, 0]) + grid[:, 2]
    likely_GS = deviance_GS <= deviance_GS.min(axis=0) + NEARLY
    return np.asarray(np.where(likely_GS, slow_G[:, None], -1.0).argmax(axis=0))


def _scale(z_T: Array) -> float:
    if not len(z_T):
        return 1.0
    scale = 1.0
    while scale < 50 and any(
        np.mean(np.exp(sign * exponent * z_T / scale**0.5 - exponent**2 / 2)) > 1
        for exponent in EXPONENTS
        for sign in (-1, 1)
    ):
        scale *= 1.05
    return float(scale * (1 + (2 / len(z_T)) ** 0.5))
