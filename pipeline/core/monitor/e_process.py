"""A betting e-process: evidence against a mean of at most 0 that may be looked at after every value.

Somebody bets a part of their wealth on each value being above 0. If no value is expected to be, the wealth
grows on average never, so it reaches 1 / alpha with a probability of at most alpha, over all looks together
(Ville, 1939; Waudby-Smith and Ramdas, 2024). The wealth is the mean over several fixed bets, so no bet needs
to be the right one. confseq offers this for means within 0 and 1, without weights, and builds C++ to install.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# Parts of the wealth. In simulations of 300 labels, of which the releases differ on 12 to 24 %, they find a
# fall of 8 points in 97 to 72 %; bets from 0.05 to 0.9 found it in 94 to 61 %.
BETS = (0.25, 0.4, 0.55)


def evidence(values: Sequence[float], weights: Sequence[float]) -> float:
    """Return the highest wealth that bets on values above 0 ever reached, at least 1; the more, the surer.

    Values lie from -1 to 1 and come in the order in which they were learnt. A value of weight w stands for w
    texts: the bet on it is the part of the largest weight so far. The promise holds where the mean is at most
    0 among the texts of every weight.
    """
    if not len(values):
        return 1.0
    values_N = np.asarray(values, dtype=np.float64)
    assert np.abs(values_N).max() <= 1
    weights_N = np.asarray(weights, dtype=np.float64)
    relative_N = weights_N / np.maximum.accumulate(weights_N)
    growth_NK = np.log1p(np.outer(values_N * relative_N, BETS)).cumsum(axis=0)
    # A wealth beyond a float's range is as sure as one within it.
    wealth_N = np.exp(np.minimum(growth_NK, 500.0)).mean(axis=1)
    return max(1.0, float(wealth_N.max()))
