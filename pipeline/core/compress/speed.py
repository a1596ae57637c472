"""Measure the speed of variants through the serving predictor, in turns: a slow minute affects all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.core.model.predictor import Predictor

BATCH_SIZE = 32
ROUNDS = 3

Clock = Callable[[], float]


@dataclass(frozen=True)
class Speed:
    """Hold median and 95th percentile of the latency of one text and of 32, and the throughput."""

    p50_ms: float
    p95_ms: float
    p50_ms_32: float
    p95_ms_32: float
    texts_per_second: float


def measure_speeds(
    predictors: Mapping[str, "Predictor"], texts: Sequence[str], *, clock: Clock
) -> dict[str, Speed]:
    """Measure every predictor on texts one by one, 32 by 32, and all at once; `clock` returns seconds."""
    import numpy as np

    def measure(batches: Sequence[Sequence[str]]) -> dict[str, list[float]]:
        return {
            name: [_seconds(predictor, batch, clock) for batch in batches]
            for name, predictor in predictors.items()
        }

    measure([texts[:BATCH_SIZE]])  # warms the caches and is not counted
    singles = measure([[text] for text in texts])
    batches = [texts[start : start + BATCH_SIZE] for start in range(0, len(texts), BATCH_SIZE)]
    rounds = [(measure(batches), measure([texts])) for _ in range(ROUNDS)]
    speeds = {}
    for name in predictors:
        p50, p95 = np.percentile(singles[name], [50, 95]) * 1000
        batch_seconds = [seconds for by_batch, _ in rounds for seconds in by_batch[name]]
        p50_32, p95_32 = np.percentile(batch_seconds, [50, 95]) * 1000
        seconds = float(np.median([at_once[name][0] for _, at_once in rounds]))
        speeds[name] = Speed(float(p50), float(p95), float(p50_32), float(p95_32), len(texts) / seconds)
    return speeds


def _seconds(predictor: "Predictor", texts: Sequence[str], clock: Clock) -> float:
    start = clock()
    predictor.predict(texts)
    return clock() - start
