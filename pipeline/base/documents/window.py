"""The report of one window of predictions, and the change points found in a series of windows."""

from typing import Literal, NotRequired, TypedDict

from pipeline.base.documents.change import WindowProfile
from pipeline.base.tasks.names import TaskName

# ppi: by the topic's own audit labels. pooled: by few of its own, and those of other topics.
# none: not corrected. confusion: by the confusion on the test texts, as earlier versions did.
PrevalenceMethod = Literal["ppi", "pooled", "none", "confusion"]


class TimeRange(TypedDict):
    """UTC times as 2026-11-25T08:00:00Z, from `start` up to and without `end`."""

    start: str
    end: str


class PrevalenceEntry(TypedDict):
    """The share of one label among the texts of a window, which are a census.

    `raw` is the share of predictions, `mean_probability` the mean calibrated probability (None in reports of
    earlier versions), and `share` the one corrected for the model's errors by so many audit `labels`, with
    its interval and standard error `spread`. `noise` is the part of that error that is new in every window.
    `corrected` is False where no correction was possible: then `share` is the raw one, how far it may be off
    is not known, so the interval is from 0 to 1, and `why` gives the reason.
    """

    raw: float
    mean_probability: float | None
    share: float
    low: float
    high: float
    spread: float
    noise: float
    corrected: bool
    method: PrevalenceMethod
    labels: int
    why: NotRequired[str]


class BridgedPoint(PrevalenceEntry):
    """One window in the series of a label, with later changes of the model bridged.

    `share`, `low` and `high` are shifted by `shift`, whose standard error is `shift_spread`; `unbridged` is
    the share before.
    """

    start: str
    release: str
    unbridged: float
    shift: float
    shift_spread: float


class LabelShift(TypedDict):
    """What a change of the model alone did to the share of a label, on the same texts.

    `difference` is the new share less the old one, with its interval and standard error `spread`. `shift` is
    the part of it by which the earlier series is moved. `corrected` is False where one of the releases allows
    no correction.
    """

    difference: float
    low: float
    high: float
    spread: float
    shift: float
    shift_low: float
    shift_high: float
    shift_spread: float
    corrected: bool


class TopicShift(TypedDict):
    """What a change of the model did to the shares of predictions in one topic, on `texts` old texts.

    `by_old_release` is the change that the old release shows from the old texts to those of this window, and
    its standard error: a change point here counts only if both releases show it.
    """

    texts: int
    labels: dict[str, LabelShift]
    by_old_release: dict[str, tuple[float, float]]


ModelChange = TypedDict(
    "ModelChange",
    {
        "from": str,
        "to": str,
        "texts": int,
        "labels": dict[str, LabelShift] | None,
        "why": NotRequired[str],
        "topics": NotRequired[dict[str, TopicShift]],
    },
)
ModelChange.__doc__ = """A change of the release between two windows.

`labels` is the effect on all texts together, None where it was not measured; `why` then gives the reason.
`topics` is the effect on each topic; earlier versions measured all texts only.
"""


class DetectorReport(TypedDict):
    """The statistic of one drift detector, the threshold it drifts beyond, and its p-value."""

    statistic: float
    threshold: float
    p: float
    drifted: bool


class DriftVerdict(TypedDict):
    """Whether a window differs from the reference, the test texts of the release.

    `p` is the smallest p-value of the detectors, to be compared with `level`; `expected` how often in a
    quarter alarm_windows of of_windows would differ by chance; `texts` how many texts were compared. `kind`
    is language, encoding, topic or label, None without a difference.
    """

    p: float
    level: float
    expected: float
    texts: int
    drifted: bool
    kind: str | None
    detectors: dict[str, DetectorReport]


class DriftExample(TypedDict):
    """A text that moved a window; `score` counts standard deviations of the reference's texts."""

    request: str
    position: int
    score: float


class DriftReport(DriftVerdict):
    """The verdict, and the texts that moved the window most.

    `alarm` is False: a difference from the training data is a report. Earlier versions raised alarms by it.
    """

    alarm: bool
    examples: list[DriftExample]


class QualityEntry(TypedDict):
    """An accuracy with its interval."""

    accuracy: float
    low: float
    high: float


class ObservedQuality(QualityEntry):
    """Quality by audit labels, weighed by 1/inclusion; `labels` is how many texts have one.

    Of several labels or entities a text is right where all of them are; `micro_f1` is that of all items.
    """

    labels: int
    macro_f1: float
    macro_f1_low: float
    macro_f1_high: float
    micro_f1: NotRequired[float]


class EstimatedQuality(QualityEntry):
    """Quality expected from the calibrated confidence of `texts` predictions."""

    texts: int


class TopicReport(TypedDict):
    """One topic of a window; all but `texts` is None where there are too few texts or no audit labels.

    `mean_probability` is that of each label, whatever the number of texts. `profile` is what later windows
    are compared with; `not_compared` is why there is no `drift`, `not_estimated` why there is no `estimated`,
    whatever the number of texts. Reports of earlier versions have none of the four.
    """

    texts: int
    mean_probability: NotRequired[dict[str, float]]
    observed: ObservedQuality | None
    prevalence: dict[str, PrevalenceEntry] | None
    estimated: EstimatedQuality | None
    drift: DriftReport | None
    profile: NotRequired[WindowProfile]
    not_compared: NotRequired[str]
    not_estimated: NotRequired[str]


class WindowReport(TypedDict):
    """One window of the journal.

    `predictions` counts those of `release`, which made most of them; `releases` counts the predictions of
    each. Topic `all` holds all texts together, topic `other` the `other_topics` beyond
    `watch.max_judged_topics`. `model_change` is None where the release is that of the window before. `task`
    is that of the release; reports of earlier versions name none, and are of one label a text.
    """

    window: TimeRange
    release: str
    data_version: str
    predictions: int
    releases: dict[str, int]
    topics: dict[str, TopicReport]
    model_change: ModelChange | None
    other_topics: NotRequired[int]
    task: NotRequired[TaskName]


class ChangePoint(TypedDict):
    """A change in the share of a label.

    `time` is the start of the first window after it, `detected` the start of the window that showed it, which
    later passes keep. `before` and `after` are mean shares, `change` their difference with its interval.
    `same_as` names the alarm or the change point that tells of the same event.
    """

    time: str
    label: str
    before: float
    after: float
    change: float
    low: float
    high: float
    detected: str
    same_as: NotRequired[str]
