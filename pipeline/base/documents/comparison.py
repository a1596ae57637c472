"""The comparison of a candidate with the champion on the same texts."""

from typing import TypedDict


class Difference(TypedDict):
    """A score of both models, candidate less champion, and the two-sided interval of that difference."""

    candidate: float
    champion: float
    difference: float
    low: float
    high: float


class OverallDifference(Difference):
    """A difference, and the smallest gain or drop that the test detects with the power of the gate."""

    minimum_detectable: float


class SliceDifference(OverallDifference):
    """The difference on one slice, label or source, and how significant a drop beyond the margin is.

    `p` is one-sided, `p_holm` the same adjusted for all slices (Holm, 1979). `bound` is an upper bound of the
    difference and `minimum_detectable` the smallest drop, margin included, that is detected; both at Holm's
    first and strictest step.
    """

    name: str
    texts: int
    p: float
    p_holm: float
    bound: float


class ForgettingDifference(SliceDifference):
    """The same on a source of the champion's training data; `data_version` is empty for today's texts."""

    data_version: str


class McNemarTest(TypedDict):
    """Texts that only one of the models gets right, and the two-sided p-value (McNemar, 1947)."""

    only_candidate: int
    only_champion: int
    p: float


class ChangedPrediction(TypedDict):
    """A text that the models predict differently: its id, its ground truth and both predictions."""

    id: str
    label: str
    champion: str
    candidate: str


class ChangedPredictions(TypedDict):
    """How many predictions changed, were `fixed` or `broken`, and some of the texts, broken ones first."""

    count: int
    fixed: int
    broken: int
    texts: list[ChangedPrediction]


class Comparison(TypedDict):
    """A paired bootstrap of candidate and champion, under the settings of the gate it was made with.

    `champion` is the release's name; `slices` and `forgetting` (sources the champion was trained on) are
    tested for drops beyond `margin` and `forgetting_margin`.
    """

    champion: str
    texts: int
    confidence: float
    power: float
    margin: float
    forgetting_margin: float
    macro_f1: OverallDifference
    mcnemar: McNemarTest
    slices: list[SliceDifference]
    forgetting: list[ForgettingDifference]
    changed: ChangedPredictions
