"""An artefact answering its golden texts in a process of its own: `python -m pipeline.serve.smoke_test FOLDER`.

Prints one line of JSON: how many texts were answered, and how far the furthest probability lies from the kept one.
"""

import json
import sys
from pathlib import Path

import numpy as np


def main(folder: Path) -> None:
    """Open the artefact as the service does and compare its answers with golden.json."""
    from pipeline.inference.predict import open_predictor

    golden = json.loads((folder / "golden.json").read_text("utf-8"))
    kept = np.array(golden["probabilities"])
    found = open_predictor(folder).predict(golden["texts"]).probabilities
    if not kept.size or found.shape != kept.shape:
        raise ValueError(f"golden.json keeps {kept.shape} probabilities, and {found.shape} were found")
    print(json.dumps({"texts": len(found), "worst": float(np.abs(found - kept).max())}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
