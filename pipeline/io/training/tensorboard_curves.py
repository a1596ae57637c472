"""Live curves of a training as TensorBoard event files, where TensorBoard is installed."""

import importlib.util
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any


def is_installed() -> bool:
    """Return whether somebody could look at event files here."""
    return importlib.util.find_spec("tensorboard") is not None


class TensorBoardCurves:
    """Write event files into a folder; a restarted training adds a file to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __getstate__(self) -> dict[str, Path]:
        return {"folder": self.folder}

    def log(self, training: str, step: int, metrics: Mapping[str, float]) -> None:
        """Add a point to each curve, named after the training."""
        for name, value in metrics.items():
            self._writer.add_scalar(f"{training}/{name}", value, step)

    def close(self) -> None:
        """Write what is not written yet."""
        if "_writer" in vars(self):
            self._writer.close()

    @cached_property
    def _writer(self) -> Any:
        # Of Ray's own requirements; it writes the same files without TensorBoard.
        from tensorboardX import SummaryWriter

        return SummaryWriter(logdir=str(self.folder))
