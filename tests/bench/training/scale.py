"""Tokens a second and memory of a training on few and on many texts, each in a process of its own.

    tests/bench/training/scale.py FOLDER TEXTS STEPS

Prints tokens/s and the peak of the memory that is the process's own, in megabytes. The texts are random
tokens of 8 to 56 a text; the folder is written once.
"""

import sys
import time
from pathlib import Path

import numpy as np

BATCH_TEXTS = 4096
VOCABULARY = 8000


def write_texts(folder: Path, texts: int) -> None:
    """Write random tokens and labels as the stages do."""
    from pipeline.io.training.token_shards import write_shards

    generator = np.random.default_rng(1)

    def batches():  # type: ignore[no-untyped-def]
        for start in range(0, texts, BATCH_TEXTS):
            count = min(BATCH_TEXTS, texts - start)
            lengths = generator.integers(8, 57, count).tolist()
            rows = [generator.integers(5, VOCABULARY, length, dtype=np.int32) for length in lengths]
            yield {"tokens": rows, "label": generator.integers(0, 3, count)}

    write_shards(folder, batches())


def main() -> None:
    """Train so many steps, and print the figures."""
    folder, texts, steps = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    import torch

    from pipeline.core.evaluate.metrics import score
    from pipeline.core.model.encoder import scratch_config
    from pipeline.core.train.loop import Schedule, WorkerShard, fit
    from pipeline.core.train.objectives import EncoderStart, LabelObjective
    from pipeline.core.train.optimizer import make_optimizer
    from pipeline.io.training.token_shards import TokenShards

    torch.set_num_threads(2)
    config = scratch_config(
        vocabulary=VOCABULARY, width=256, layers=4, heads=4, feed_forward=1024, max_tokens=64
    )
    shards = TokenShards(str(folder))
    assert len(shards) == texts
    objective = LabelObjective(EncoderStart(config, None, 0.0), shards, shards, 3, 32, 0.5, score, 1)
    model = objective.build_model()
    optimizer = make_optimizer(model, weight_decay=0.01)
    steps_done = fit(model, objective, optimizer, Schedule(steps, 1e-4, 0.1, 1.0), WorkerShard(0, 1, 64))
    next(steps_done)
    start, tokens = time.perf_counter(), 0
    for step in steps_done:
        tokens += step.tokens
    rate = tokens / (time.perf_counter() - start)
    own = next(
        int(line.split()[1]) / 1e3
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("RssAnon")
    )
    print(f"{rate:.0f} {own:.0f}")


if __name__ == "__main__":
    main()
