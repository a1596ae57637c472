"""Load a predictor from a folder of model files. The registered MLflow model carries this module with it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.io.security.model_files import read_model_folder

if TYPE_CHECKING:
    from pipeline.core.model.predictor import Predictor


def load_predictor(folder: Path, *, threads: int = 1) -> "Predictor":
    """Load the model files of a candidate or of a release's local copy; it predicts on up to `threads` cores.

    Raises UnsafeModelFile when a file may not be part of a model.
    """
    from pipeline.core.model.opened import open_predictor

    content = read_model_folder(folder)
    return open_predictor(content.model, content.tokenizer, content.settings, threads=threads)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
