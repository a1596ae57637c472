"""The series of windows: changes of the model, their effect, and change points beyond them."""

from collections.abc import Mapping, Sequence

from pipeline.base.config import Params
from pipeline.base.documents import BridgedPoint, ChangePoint, ModelChange, PrevalenceEntry, WindowReport
from pipeline.base.errors import TonewatchError
from pipeline.base.records import JournalEntry
from pipeline.base.seeds import seed_for
from pipeline.core.evaluate.bootstrap import BootstrapConfig
from pipeline.core.monitor import bridging
from pipeline.core.monitor.alarm_budget import share_of
from pipeline.core.monitor.bridging import SeriesPoint, TimedShift
from pipeline.core.monitor.change_points import find_change_points
from pipeline.core.monitor.windows import windows_per_quarter
from pipeline.monitoring.reference import ReferenceCache, ReleaseReference
from pipeline.monitoring.window_counts import READABLE, WindowPredictions, draw_rows


def measure_model_change(
    references: ReferenceCache,
    reference: ReleaseReference,
    predictions: WindowPredictions,
    *,
    previous: str,
    params: Params,
) -> ModelChange:
    """Measure the effect of a change of the model: the previous release predicts this window's texts too."""
    change: ModelChange = {"from": previous, "to": reference.name, "texts": 0, "labels": None}
    overlap = _overlap(predictions, params)
    if len(overlap) < params.watch.min_texts:
        change["why"] = (
            f"only {len(overlap)} texts of this window are readable, too few to measure the change"
        )
        return change
    try:
        old = references.get(previous)
        old_labels = old.predictor.predict([entry.text for entry in overlap]).labels
    except TonewatchError as error:
        change["why"] = str(error)
        return change
    if old.labels != reference.labels:
        change["why"] = "the two releases have different labels"
        return change
    index = reference.labels.index
    change["texts"] = len(overlap)
    change["labels"] = bridging.measure_model_shift(
        [index(label) for label in old_labels],
        [index(entry.label) for entry in overlap],
        old.confusion,
        reference.confusion,
        reference.labels,
        bootstrap=BootstrapConfig(params.watch.resamples, params.watch.confidence, params.seed),
    )
    return change


def _overlap(predictions: WindowPredictions, params: Params) -> list[JournalEntry]:
    """Draw the texts that both releases predict."""
    seed = seed_for(params.seed, "watch", "overlap")
    rows = draw_rows(predictions.readable, params.watch.overlap_texts, seed)
    return predictions.entries(predictions.sample({READABLE: rows})[READABLE])


def bridge_topic(windows: Sequence[WindowReport], topic: str) -> dict[str, list[BridgedPoint]]:
    """Return the series of each label's share in a topic, with changes of the model bridged."""
    labels = {label for window in windows for label in _prevalence(window, topic)}
    return {
        label: bridging.bridge_series(_series_points(windows, topic, label), _shifts(windows, label))
        for label in sorted(labels)
    }


def _series_points(windows: Sequence[WindowReport], topic: str, label: str) -> list[SeriesPoint]:
    return [
        {
            "start": window["window"]["start"],
            "release": window["release"],
            **_prevalence(window, topic)[label],
        }
        for window in windows
        if label in _prevalence(window, topic)
    ]


def _shifts(windows: Sequence[WindowReport], label: str) -> list[TimedShift]:
    return [
        {"time": window["window"]["start"], **change["labels"][label]}
        for window in windows
        if (change := window["model_change"]) and change["labels"] and label in change["labels"]
    ]


def find_topic_changes(
    windows: Sequence[WindowReport],
    params: Params,
    *,
    frozen: Mapping[str, Sequence[ChangePoint]] | None = None,
    read_until: str = "",
) -> dict[str, list[ChangePoint]]:
    """Find the new change points of each topic, with changes of the model bridged.

    `frozen` are those found in the windows up to `read_until`. The budget is spent on the topics of the
    newest windows; a topic without any has no new change point.
    """
    newest = windows[-params.watch.drift.of_windows :]
    topics = sorted({topic for window in newest for topic in window["topics"]})
    return {
        topic: find_change_points(
            bridge_topic(windows, topic),
            params.watch.change_points,
            false_alarms_per_quarter=share_of(params.watch.false_alarms_per_quarter, "change points"),
            windows_per_quarter=windows_per_quarter(params.watch.window_minutes),
            confidence=params.watch.confidence,
            seed=params.seed,
            topics=max(1, len(topics)),
            frozen=(frozen or {}).get(topic, ()),
            read_until=read_until,
        )
        for topic in topics
    }


def _prevalence(window: WindowReport, topic: str) -> dict[str, PrevalenceEntry]:
    report = window["topics"].get(topic)
    return (report["prevalence"] if report else None) or {}
