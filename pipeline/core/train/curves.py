"""Where the metrics of a training can be followed while it runs."""

from typing import Protocol

from pipeline.core.train.objectives import Metrics


class Curves(Protocol):
    """Describe the curves of a training; the first worker writes them."""

    def log(self, training: str, step: int, metrics: Metrics) -> None:
        """Add a point to each curve."""

    def close(self) -> None:
        """Write what is not written yet."""


class NoCurves:
    """Follow nothing."""

    def log(self, training: str, step: int, metrics: Metrics) -> None:
        """Leave the metrics to the history."""

    def close(self) -> None:
        """Have nothing to write."""
