"""Topics side by side, learnt and monitored as the watch does it, for simulations of a quarter."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from service_weeks import DAY, WEEK, label_shares, start_of

from pipeline.core.change.cycles import fit_cycle
from pipeline.core.change.e_detector import WINDOWS, detect, log_mean
from pipeline.core.change.innovations import filter_series, fit_dynamics

LEARNING, QUARTER = 4 * WEEK, 2191


@dataclass(frozen=True)
class World:
    """Topics whose labels have a daily and a weekly cycle, and wander around it."""

    cycle: float  # standard deviation of the cycles
    spread: float  # standard deviation of the autoregression
    topics: int = 30
    texts: int = 400
    rho: float = 0.9
    change: float = 0.0
    hours: int = LEARNING + QUARTER

    def evidence(self, seed: int, *, changed: int = 0) -> NDArray[np.float64]:
        """Return the evidence of kind label at each hour after the learning time; TxK topics."""
        random = np.random.default_rng(seed)
        step = self.change * (np.arange(self.hours) >= LEARNING + changed)
        shares = [
            label_shares(
                self.hours,
                random,
                cycle=self.cycle,
                spread=self.spread,
                rho=self.rho,
                texts=self.texts,
                change=step,
            )
            for _ in range(self.topics)
        ]
        values = np.concatenate(shares, axis=1)
        noise = np.sqrt(np.maximum(values * (1 - values), 0.01) / self.texts)
        return monitor(values, noise, kinds=self.topics)


def monitor(values: NDArray[np.float64], noise: NDArray[np.float64], *, kinds: int) -> NDArray[np.float64]:
    """Learn from the first weeks, and return the evidence of each kind after them; kinds have equal sizes."""
    starts, gaps = [start_of(hour) for hour in range(len(values))], np.ones(len(values))
    fits = [fit_cycle(starts[:LEARNING], column[:LEARNING]) for column in values.T]
    learnt = np.stack([residual for _, residual in fits], axis=1)
    dynamics = fit_dynamics(learnt, noise[:LEARNING], gaps[:LEARNING])
    residual = np.stack(
        [cycle.residual(starts, column) for (cycle, _), column in zip(fits, values.T, strict=True)],
        axis=1,
    )
    evidence = detect(filter_series(residual, noise, gaps, dynamics), since=LEARNING)
    parts = np.split(evidence.log_e[LEARNING:], kinds, axis=1)
    return np.stack([log_mean(part) for part in parts], axis=1)


def alarm_starts(log_e: NDArray[np.float64], log_threshold: float) -> int:
    """Count the alarms of all topics; what reaches the threshold again within two days is one."""
    starts = 0
    for row in log_e.T:
        hits = np.flatnonzero(row >= log_threshold)
        starts += int((np.diff(hits, prepend=-WINDOWS - 1) > WINDOWS).sum()) if len(hits) else 0
    return starts


def delays(log_e: NDArray[np.float64], log_threshold: float, *, changed: int) -> list[int]:
    """Return after how many windows each topic raised an alarm, a year where it did not."""
    found = []
    for row in log_e[changed:].T:
        hits = np.flatnonzero(row >= log_threshold)
        found.append(int(hits[0]) + 1 if len(hits) else 365 * DAY)
    return found
