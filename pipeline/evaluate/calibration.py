"""How far a stated probability may be taken at its word."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def calibration(truth: Sequence[int], guess: Sequence[int], probabilities: ArrayLike, *, bins: int) -> dict[str, Any]:
    """Measure the expected calibration error over bins of equal width (Guo et al., 2017), and give the bins that hold texts.

    `probabilities` is NxL; the confidence of an answer is the probability of the label it guessed.
    """
    table_NL = np.asarray(probabilities, dtype=np.float64)
    guess_N = np.asarray(guess, dtype=np.int64)
    confidence_N = table_NL[np.arange(len(guess_N)), guess_N]
    right_N = np.asarray(truth) == guess_N
    # A confidence of exactly 1 belongs to the last bin.
    bin_N = np.clip((confidence_N * bins).astype(np.int64), 0, bins - 1)
    filled = [
        {
            "low": index / bins,
            "high": (index + 1) / bins,
            "confidence": float(confidence_N[bin_N == index].mean()),
            "accuracy": float(right_N[bin_N == index].mean()),
            "texts": int((bin_N == index).sum()),
        }
        for index in np.unique(bin_N).tolist()
    ]
    gaps = (entry["texts"] * abs(entry["confidence"] - entry["accuracy"]) for entry in filled)
    return {"ece": float(sum(gaps) / max(1, len(guess_N))), "bins": filled}
