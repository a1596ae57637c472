"""Error rates of the gate on many simulated worlds: `python tests/bench/gate.py [worlds]`.

Prints what tests/core/gate/test_claims.py asserts, with more worlds, beside the rules before the budget of
looks: every look the first one, at a two-sided confidence of 95 %, and Holm's test against the margin.
"""

import math
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from gate_worlds import LABELS, damaged_slice, weekly_retrains  # noqa: E402

from pipeline.core.evaluate.comparison import compare_models  # noqa: E402
from pipeline.core.gate.looks import LookBudget  # noqa: E402
from pipeline.io.params_file import load_params  # noqa: E402

GATE = load_params(ROOT / "params.yaml").gate.model_copy(update={"changed_listed": 0, "resamples": 1000})
LOOK = LookBudget(used=0, allowed=GATE.looks, budget=0.05, left=0.05).next_look()


def share(name: str, hits: list[bool]) -> None:
    """Print a share with its standard error."""
    value = float(np.mean(hits))
    print(f"  {name:56s} {value:7.1%}  (± {math.sqrt(value * (1 - value) / len(hits)):.1%})", flush=True)


def main(worlds: int) -> None:
    """Print the table."""
    print(f"52 weekly looks at 2,000 texts, equal models, {worlds} worlds")
    for name, budget in (("with the budget of looks", True), ("every look the first, as before", False)):
        years = [weekly_retrains(seed, GATE, texts=2000, looks=52, budget=budget) for seed in range(worlds)]
        share(f"see a promotion, {name}", [year.promotions > 0 for year in years])
    print(f"published figure of the last champion, true accuracies vary by 1 point, {worlds} worlds")
    for name, budget in (("with the budget of looks", True), ("every look the first, as before", False)):
        years = [
            weekly_retrains(seed, GATE, texts=2000, looks=52, spread=0.01, budget=budget)
            for seed in range(worlds)
        ]
        for part in ("seen_error", "reserve_error"):
            errors = np.array([getattr(year, part) for year in years if year.promotions])
            figure = (
                f"{100 * errors.mean():+.2f} points (± {100 * errors.std() / math.sqrt(len(errors)):.2f})"
            )
            print(f"  {part.replace('_', ' ')}, {name:42s} {figure}", flush=True)
    for size, drop in ((500, 0.08), (100, 0.16), (500, 0.0)):
        print(
            f"a slice of {size} texts among 2,400 that falls by {100 * drop:.0f} points, {worlds // 4} worlds"
        )
        random, states = np.random.default_rng(size), []
        for seed in range(worlds // 4):
            pair, slices = damaged_slice(random, texts=2400, size=size, drop=drop)
            document = compare_models(
                pair, champion="R1", labels=LABELS, slices=slices, gate=GATE, seed=seed, look=LOOK
            )
            states.append({row["name"]: row["state"] for row in document["slices"]}["source=damaged"])
        for state in ("worse", "not shown", "not known", "not worse"):
            share(state, [one == state for one in states])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
