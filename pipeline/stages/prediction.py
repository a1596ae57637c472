"""The module from which models that MLflow registered before the layout changed import `open_predictor`."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.io.security.model_files import read_model_folder

if TYPE_CHECKING:
    from pipeline.core.model.predictor import Predictor


def open_predictor(folder: Path) -> "Predictor":
    """Load the model files of a registered model; newer models call `pipeline.inference.load`."""
    from pipeline.core.model.opened import open_predictor as open_model

    content = read_model_folder(folder)
    return open_model(content.model, content.tokenizer, content.settings)
