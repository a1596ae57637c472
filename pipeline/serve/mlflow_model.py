"""The registered MLflow model: MLflow clients and scoring servers run this file ("models from code").

It imports only modules that are logged beside it; `pipeline.io.registry.model_code` lists them.
"""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from pipeline.inference.load import load_predictor


class SentimentModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Predict the label of each text in the column `text`, with the probability of every label."""

    def load_context(self, context: Any) -> None:
        """Load the model files; raises UnsafeModelFile when one may not be part of a model."""
        self.predictor = load_predictor(Path(context.artifacts["model.json"]).parent)

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Return one row per text: `label`, then one column of probabilities per label."""
        predictions = self.predictor.predict([str(text) for text in model_input["text"]])
        columns: dict[str, Any] = {"label": list(predictions.labels)}
        columns |= dict(zip(self.predictor.labels, predictions.probabilities.T.tolist(), strict=True))
        return pd.DataFrame(columns, index=model_input.index)


mlflow.models.set_model(SentimentModel())
