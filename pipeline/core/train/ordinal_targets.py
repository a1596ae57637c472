"""Soft targets for labels on a scale (Diaz and Marathe, 2019, "Soft labels for ordinal regression").

Shapes: L labels.
"""

import numpy as np
from numpy.typing import NDArray


def ordinal_targets(labels: int, sharpness: float) -> NDArray[np.float32]:
    """Return the target of each label given each true one: exp(-sharpness * steps), normalized; LxL."""
    places = np.arange(labels)
    weights_LL = np.exp(-sharpness * np.abs(places[:, None] - places[None, :]))
    return np.asarray(weights_LL / weights_LL.sum(axis=1, keepdims=True), dtype=np.float32)
