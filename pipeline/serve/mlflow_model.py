"""The registered MLflow model: MLflow clients and scoring servers run this file ("models from code").

It imports only modules that are logged beside it; `pipeline.io.registry.model_code` lists them.
"""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from pipeline.base.tasks.answers import answer_column
from pipeline.base.tasks.targets import reads_targets, with_target
from pipeline.inference.load import load_predictor


class SentimentModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Predict the label of each text in the column `text`, with the probability of every label.

    A model of targets reads that of each text in the column `target`.
    """

    def load_context(self, context: Any) -> None:
        """Load the model files; raises UnsafeModelFile when one may not be part of a model."""
        self.predictor = load_predictor(Path(context.artifacts["model.json"]).parent)

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Return one row per text: `label`, then one column of probabilities per label; or `generated`."""
        texts = [str(text) for text in model_input["text"]]
        if reads_targets(self.predictor.task):
            texts = list(map(with_target, texts, map(str, model_input["target"])))
        predictions = self.predictor.predict(texts)
        columns: dict[str, Any] = {answer_column(self.predictor.task): list(predictions.labels)}
        columns |= dict(zip(self.predictor.labels, predictions.probabilities.T.tolist(), strict=True))
        return pd.DataFrame(columns, index=model_input.index)


mlflow.models.set_model(SentimentModel())
