"""The door for MLflow: any MLflow client or scoring server loads a registered model through this file.

MLflow runs it as it is ("models from code"), so nothing is pickled. Answers are those of the predictor that serves.
"""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd


class Scorer(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Answer a frame with the column `text` by labels and probabilities."""

    def load_context(self, context: Any) -> None:
        """Open the candidate's files, once each was found to be plainly what its name says."""
        from pipeline.inference.load import load_predictor

        self.predictor = load_predictor(Path(context.artifacts["model.json"]).parent)

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Give one row a text: the label, then one probability a label."""
        answers = self.predictor.predict([str(text) for text in model_input["text"]])
        columns = {"label": list(answers.labels)}
        columns |= {
            label: list(answers.probabilities[:, number])
            for number, label in enumerate(self.predictor.labels)
        }
        return pd.DataFrame(columns, index=model_input.index)


mlflow.models.set_model(Scorer())
