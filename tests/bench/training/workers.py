"""Two workers of Ray Train on two cores, beside one process with two threads."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from texts import Material


class Timed:
    """Write when each point of a curve was reached; a worker gets a copy, so to a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def log(self, training: str, step: int, metrics: Mapping[str, float]) -> None:
        """Add the time of a step and its figures."""
        if "tokens_per_second" in metrics:
            with self.path.open("a") as file:
                file.write(json.dumps({"step": step, "time": time.time(), **metrics}) + "\n")

    def close(self) -> None:
        """Have nothing to write."""


def rate(material: Material, workers: int, steps: int, name: str) -> tuple[float, float, float]:
    """Return tokens/s, the share of the matmul rate, and the seconds from the call to the first step."""
    import sys

    import torch
    from ray import cloudpickle

    from pipeline.core.train.jobs import TrainingJob, WorkerResources
    from pipeline.core.train.ray_trainer import run_training
    from pipeline.io.checkpoints import CheckpointFolder

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    torch.set_num_threads(2)
    place = material.place / name
    place.mkdir()
    job = TrainingJob(
        name,
        material.objective(1),
        material.params.finetune.model_copy(update={"save_every": 10**6}),
        steps=steps,
        eval_steps=frozenset(),
        patience=10**6,
        checkpoints=CheckpointFolder(place, "a" * 64),
    )
    resources = WorkerResources("cpu", workers, 64, 2, str(place / "ray"))
    curves, began = Timed(place / "times.jsonl"), time.time()
    run_training(job, resources, curves)
    points = [json.loads(line) for line in (place / "times.jsonl").read_text().splitlines()]
    return _figures(points, began)


def _figures(points: list[dict[str, Any]], began: float) -> tuple[float, float, float]:
    first, last = points[0], points[-1]
    a_step = (last["time"] - first["time"]) / (last["step"] - first["step"])
    start = first["time"] - began - first["step"] * a_step
    after = points[1:]
    tokens = sum(point["tokens_per_second"] for point in after) / len(after)
    share = sum(point["flops_utilisation"] for point in after) / len(after)
    return tokens, share, start
