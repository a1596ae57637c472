"""False alarms of a quarter, and how soon a change of 10 points is found: part of `make bench`.

Thirty topics of 400 texts an hour, four weeks of learning, then a quarter; the label shares have daily and
weekly cycles and an autoregression of 0.9. Prints figures and judges none. `WORLDS=20` simulates more of
each.
"""

import os
import sys
from pathlib import Path

import numpy as np
from scipy.stats import poisson

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from monitored import QUARTER, World, alarm_starts, delays

from pipeline.core.change.alarms import KINDS
from pipeline.core.monitor.alarm_budget import evidence_threshold, share_of

WORLDS = int(os.environ.get("WORLDS", "4"))
BUDGET = 1.0
CYCLES, SPREADS = (0.02, 0.05, 0.10), (0.01, 0.02)
CHANGED = 500


def main() -> None:
    """Print a line for each spread of the cycles and of the autoregression."""
    print(
        f"{'cycles':>7} {'AR(1)':>6} {'false alarms':>13} {'allowed':>8} {'found in a day':>15} {'median':>7}"
    )
    for cycle in CYCLES:
        for spread in SPREADS:
            print(_line(cycle, spread), flush=True)


def _line(cycle: float, spread: float) -> str:
    world = World(cycle, spread)
    detectors = world.topics * len(KINDS)
    threshold = evidence_threshold(
        share_of(BUDGET, "drift"), detectors=detectors, windows_per_quarter=QUARTER
    )
    false = sum(alarm_starts(world.evidence(seed), threshold) for seed in range(WORLDS))
    allowed = poisson.ppf(0.975, share_of(BUDGET, "drift") / len(KINDS) * WORLDS)
    changed = World(cycle, spread, change=0.10, hours=28 * 24 + CHANGED + 100)
    found = [
        delay
        for seed in range(WORLDS)
        for delay in delays(changed.evidence(100 + seed, changed=CHANGED), threshold, changed=CHANGED)
    ]
    in_a_day = np.mean([delay <= 24 for delay in found])
    head = f"{cycle:>7.0%} {spread:>6.0%} {false:>13} {allowed:>8.0f}"
    return f"{head} {in_a_day:>15.0%} {np.median(found):>5.0f} h"


if __name__ == "__main__":
    main()
