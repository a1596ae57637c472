"""The context of a training whose seconds are measured, for the benches."""

from collections.abc import Callable
from pathlib import Path
from typing import Any


def timed_training(
    home: Path, seed: int, *, threads: int, clock: Callable[[], float], downloads: Path | None = None
) -> tuple[Any, list[float]]:
    """Return the context of a training, and a list that gets its seconds, without tokens and files."""
    from pipeline.base.config import Profile
    from pipeline.io.security.ray_cluster import RayCluster
    from pipeline.stages.context import TrainingContext

    seconds: list[float] = []

    class Timed(TrainingContext):
        """Measure the training alone."""

        def train(self, job: Any) -> Any:
            start = clock()
            result = super().train(job)
            seconds.append(clock() - start)
            return result

    profile = Profile(device="cpu", workers=0, micro_batch=64, threads=threads, stage_minutes=30)
    cluster = RayCluster("local", home / "token")
    return Timed(seed, profile, home, downloads or home, "", cluster), seconds
