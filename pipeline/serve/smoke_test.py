"""Predict a model's golden texts in a fresh process: `python -m pipeline.serve.smoke_test FOLDER`.

Print one line of JSON: `texts`, the number of golden texts, and `worst`, the largest absolute difference
between a probability and the stored one.
"""

import json
import sys
from pathlib import Path

import numpy as np

from pipeline.inference.load import load_predictor


def main(folder: Path) -> None:
    """Load the model as the service does and compare its predictions with golden.json."""
    golden = json.loads((folder / "golden.json").read_text("utf-8"))
    expected = np.array(golden["probabilities"])
    probabilities = load_predictor(folder).golden(golden["texts"])
    if not expected.size or probabilities.shape != expected.shape:
        shapes = f"{expected.shape} in golden.json, {probabilities.shape} predicted"
        raise ValueError(f"The shapes of the probabilities differ: {shapes}.")
    print(json.dumps({"texts": len(probabilities), "worst": float(np.abs(probabilities - expected).max())}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
