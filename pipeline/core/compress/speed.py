"""How fast variants answer, measured through the predictor that serves, turn by turn: a slow minute of the machine is everybody's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.core.model.predictor import Predictor

BATCH_SIZE = 32
ROUNDS = 3


@dataclass(frozen=True)
class Speed:
    """Hold milliseconds for one text and for 32 together, half the time and nineteen times of twenty, and texts a second."""

    p50_ms: float
    p95_ms: float
    p50_ms_32: float
    p95_ms_32: float
    texts_per_second: float


def measure_speeds(
    predictors: Mapping[str, "Predictor"], texts: Sequence[str], *, clock: Callable[[], float]
) -> dict[str, Speed]:
    """Let every predictor answer the texts one by one, 32 by 32, and all at once; `clock` tells seconds."""
    import numpy as np

    def turns(work: Callable[["Predictor"], list[float]]) -> dict[str, list[float]]:
        return {name: work(predictor) for name, predictor in predictors.items()}

    def of(some: Sequence[Sequence[str]]) -> Callable[["Predictor"], list[float]]:
        return lambda predictor: [_seconds(predictor, batch, clock) for batch in some]

    turns(of([texts[:BATCH_SIZE]]))  # the first answers warm the caches and are not counted
    ones = turns(of([[text] for text in texts]))
    groups = [texts[start : start + BATCH_SIZE] for start in range(0, len(texts), BATCH_SIZE)]
    rounds = [(turns(of(groups)), turns(of([texts]))) for _ in range(ROUNDS)]
    found = {}
    for name in predictors:
        together = [seconds for several, _ in rounds for seconds in several[name]]
        p50, p95 = np.percentile(ones[name], [50, 95]) * 1000
        p50_32, p95_32 = np.percentile(together, [50, 95]) * 1000
        whole = float(np.median([all_of_them[name][0] for _, all_of_them in rounds]))
        found[name] = Speed(float(p50), float(p95), float(p50_32), float(p95_32), len(texts) / whole)
    return found


def _seconds(predictor: "Predictor", texts: Sequence[str], clock: Callable[[], float]) -> float:
    start = clock()
    predictor.predict(texts)
    return clock() - start
