"""The comparison of a candidate with the champion on the same texts."""

from typing import Literal, NotRequired, TypedDict

RegressionState = Literal["not worse", "worse", "not shown", "not known"]


class SplitDescription(TypedDict):
    """The test split of a judgement: a digest of its texts, a sketch of them, and how many there are.

    `sketch` holds the smallest digests of texts (16 digits each), which tell how much two splits overlap.
    `texts` includes the `reserved` ones, which no comparison sees.
    """

    fingerprint: str
    sketch: list[str]
    texts: int
    reserved: int


class Look(TypedDict):
    """One look at a test split: its number, how many are allowed, and the chance of error it may spend."""

    number: int
    allowed: int
    level: float


class LeftOutTexts(TypedDict):
    """How many test texts are left out since a release learnt from them; else why that is `unknown`."""

    release: str
    texts: int
    unknown: str | None


class Difference(TypedDict):
    """A score of both models, candidate less champion, and the two-sided interval of that difference."""

    candidate: float
    champion: float
    difference: float
    low: float
    high: float


class OverallDifference(Difference):
    """A difference, and the smallest gain or drop that the test detects with the power of the gate.

    `lower` is the one-sided lower bound that the look may claim; records of earlier versions lack it.
    """

    minimum_detectable: float
    lower: NotRequired[float]


class SliceDifference(OverallDifference):
    """The difference on one slice, label, source or ability to the release `against`, and what it shows.

    `state`: "worse" is a significant drop beyond the margin, "not worse" rules such a drop out by `lower`,
    "not shown" means that enough texts do not rule it out, "not known" that there are too few texts. `p` is
    one-sided, `p_adjusted` the same over all rows and releases (max-T; Westfall and Young, 1993). Records
    of earlier versions have `p_holm` (Holm, 1979) and `bound` instead of the keys that are not required.
    """

    name: str
    texts: int
    p: float
    against: NotRequired[str]
    p_adjusted: NotRequired[float]
    standard_error: NotRequired[float]
    state: NotRequired[RegressionState]
    p_holm: NotRequired[float]
    bound: NotRequired[float]


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
    tested for drops beyond `margin` and `forgetting_margin`, `abilities` and `attack` beyond their own.
    `anchors` are the earlier releases that the slices are held against too, `task` are figures of one task
    alone. The difference of models that write is `log_likelihood`, and there is no `macro_f1`. Records of
    earlier versions lack the keys that are not required.
    """

    champion: str
    texts: int
    confidence: float
    power: float
    margin: float
    forgetting_margin: float
    macro_f1: OverallDifference
    log_likelihood: NotRequired[OverallDifference]
    mcnemar: McNemarTest
    slices: list[SliceDifference]
    forgetting: list[ForgettingDifference]
    changed: ChangedPredictions
    ability_margin: NotRequired[float]
    attack_margin: NotRequired[float]
    look: NotRequired[Look]
    left_out: NotRequired[list[LeftOutTexts]]
    anchors: NotRequired[list[str]]
    abilities: NotRequired[list[SliceDifference]]
    attack: NotRequired[list[SliceDifference]]
    task: NotRequired[list[SliceDifference]]
