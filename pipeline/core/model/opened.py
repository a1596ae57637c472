"""Open the predictor of a model, whatever its task."""

from typing import TYPE_CHECKING

from pipeline.base.tasks.names import GENERATION, SINGLE_LABEL, TOKEN_LABELS, TaskName
from pipeline.core.model.predictor import Predictor
from pipeline.core.model.span_predictor import SpanPredictor
from pipeline.core.model.text_generator import TextGenerator

if TYPE_CHECKING:
    from pipeline.base.documents import ModelSettings

# What predicts the tasks whose answers are no labels of whole texts.
CLASSES: dict[TaskName, type[Predictor]] = {TOKEN_LABELS: SpanPredictor, GENERATION: TextGenerator}


def open_predictor(model: bytes, tokenizer: str, settings: "ModelSettings", *, threads: int = 1) -> Predictor:
    """Build the predictor of an ONNX model, a tokenizer's JSON and the content of model.json."""
    kind = CLASSES.get(settings.get("task", SINGLE_LABEL), Predictor)
    return kind.of(model, tokenizer, settings, threads=threads)
