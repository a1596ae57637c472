"""The report of one window of predictions, and the change points found in a series of windows."""

from collections.abc import Mapping
from typing import NotRequired, TypedDict


class TimeRange(TypedDict):
    """UTC times as 2026-11-25T08:00:00Z, from `start` up to and without `end`."""

    start: str
    end: str


class PrevalenceEntry(TypedDict):
    """The share of one label among the texts of a window.

    `raw` is the share of predictions, `share` the one corrected for the model's errors, with its interval and
    standard error `spread`. `noise` is the part of that error that is new in every window. `corrected` is
    False where no correction was possible; `why` then gives the reason.
    """

    raw: float
    share: float
    low: float
    high: float
    spread: float
    noise: float
    corrected: bool
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


ModelChange = TypedDict(
    "ModelChange",
    {"from": str, "to": str, "texts": int, "labels": dict[str, LabelShift] | None, "why": NotRequired[str]},
)
ModelChange.__doc__ = """A change of the release between two windows.

`labels` is None where its effect was not measured; `why` then gives the reason.
"""


class DetectorReport(TypedDict):
    """The statistic of one drift detector, the threshold it drifts beyond, and its p-value."""

    statistic: float
    threshold: float
    p: float
    drifted: bool


class DriftVerdict(TypedDict):
    """Whether a window has drifted from the reference.

    `p` is the smallest p-value of the detectors, to be compared with `level`; `expected` the false alarms
    expected in a quarter; `texts` how many texts were compared. `kind` is language, encoding, topic or label,
    None without drift.
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
    """The verdict, whether an alarm starts in this window, and the texts that moved it most."""

    alarm: bool
    examples: list[DriftExample]


class QualityEntry(TypedDict):
    """An accuracy with its interval."""

    accuracy: float
    low: float
    high: float


class ObservedQuality(QualityEntry):
    """Quality by ground truth; `labels` is how many true labels there are."""

    labels: int
    macro_f1: float
    macro_f1_low: float
    macro_f1_high: float


class EstimatedQuality(QualityEntry):
    """Quality expected from the calibrated confidence of `texts` predictions."""

    texts: int


class TopicReport(TypedDict):
    """One topic of a window; all but `texts` is None where there are too few texts or no ground truth."""

    texts: int
    observed: ObservedQuality | None
    prevalence: dict[str, PrevalenceEntry] | None
    estimated: EstimatedQuality | None
    drift: DriftReport | None


class WindowReport(TypedDict):
    """One window of the journal.

    `predictions` counts those of `release`, which made most of them; `releases` counts the predictions of
    each. Topic `all` holds all texts together, topic `other` the `other_topics` beyond `serve.max_topics`.
    `model_change` is None where the release is that of the window before.
    """

    window: TimeRange
    release: str
    data_version: str
    predictions: int
    releases: dict[str, int]
    topics: dict[str, TopicReport]
    model_change: ModelChange | None
    other_topics: NotRequired[int]


class ChangePoint(TypedDict):
    """A change in the share of a label.

    `time` is the start of the first window after it, `detected` the start of the window that showed it, which
    later passes keep. `before` and `after` are mean shares, `change` their difference with its interval.
    """

    time: str
    label: str
    before: float
    after: float
    change: float
    low: float
    high: float
    detected: str


class WatchSummary(TypedDict):
    """What one pass of the watch did, up to the UTC time `now`.

    `windows` are the names of the new windows, `future` counts predictions dated after `now`, `set_aside`
    names reported windows that end after it, `too_late` counts texts that were written in windows that were
    closed when they came, `alerts` are the titles of the raised alerts, `undelivered`
    counts alerts that a sink has not accepted, `rollback` is the automatic rollback, `labels` counts new true
    labels, `drawn` the predictions drawn to be labelled by people, and `retrain` is the reason to retrain,
    None where there is none.
    """

    now: str
    windows: list[str]
    future: int
    set_aside: list[str]
    too_late: int
    alerts: list[str]
    undelivered: int
    rollback: Mapping[str, object] | None
    labels: int
    drawn: int
    retrain: str | None
