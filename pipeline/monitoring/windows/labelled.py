"""Audit labels as a window needs them: by topic, those just given and those of recent weeks."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np

from pipeline.base import times
from pipeline.base.config import PrevalenceConfig
from pipeline.base.documents import WindowReport
from pipeline.base.documents.audit import AuditLabel
from pipeline.core.prevalence.ppi import Population, first_labels
from pipeline.monitoring.windows.counts import ALL, WindowPredictions

T = TypeVar("T")
BATCH = 1000  # predictions whose texts are in memory at a time
HOURS_A_DAY = 24


@dataclass(frozen=True)
class AuditedTopics:
    """The audit labels of a release for the topics of a window; each text cluster has one.

    `given` holds those given within the window, also under `all`, `recent` those of texts from recent weeks,
    and `populations` the mean probabilities over the texts that the recent ones were drawn from.
    """

    given: Mapping[str, Sequence[AuditLabel]]
    recent: Mapping[str, Sequence[AuditLabel]]
    populations: Mapping[str, Population]


def labels_of_window(
    audited: Iterable[AuditLabel],
    earlier: Sequence[WindowReport],
    predictions: WindowPredictions,
    *,
    labels: Sequence[str],
    cfg: PrevalenceConfig,
) -> AuditedTopics:
    """Sort the audit labels of a window's release, which knows these `labels`, by topic.

    A topic that has labels from before its first window in `earlier` has no population.
    """
    release, start, end = predictions.release, predictions.start, predictions.end
    ours = [
        entry for entry in audited if entry.release == release and len(entry.probabilities) == len(labels)
    ]
    given = [entry for entry in first_labels(ours) if start <= times.to_micros(entry.labelled_at) < end]
    since = times.to_micros(times.hours_before(end, hours=cfg.label_days * HOURS_A_DAY))
    recent = _by_topic(
        first_labels(entry for entry in ours if since <= times.to_micros(entry.time) < end),
        predictions.group_of,
    )
    return AuditedTopics(
        given={**_by_topic(given, predictions.group_of), ALL: given},
        recent=recent,
        populations=_populations(earlier, recent, release=release, since=since),
    )


def _by_topic(entries: Iterable[AuditLabel], group_of: Callable[[str], str]) -> dict[str, list[AuditLabel]]:
    topics: dict[str, list[AuditLabel]] = {}
    for entry in entries:
        topics.setdefault(group_of(entry.topic), []).append(entry)
    return topics


def _populations(
    earlier: Sequence[WindowReport],
    recent: Mapping[str, Sequence[AuditLabel]],
    *,
    release: str,
    since: str,
) -> dict[str, Population]:
    """Sum up the mean probabilities of the windows that a topic's recent labels were drawn from."""
    windows = [
        window
        for window in earlier
        if window["release"] == release and times.to_micros(window["window"]["start"]) >= since
    ]
    populations = {}
    for topic, entries in recent.items():
        reports = [
            (times.to_micros(window["window"]["start"]), report["texts"], report["mean_probability"])
            for window in windows
            if (report := window["topics"].get(topic)) and "mean_probability" in report
        ]
        if reports and reports[0][0] <= min(times.to_micros(entry.time) for entry in entries):
            sizes = [texts for _, texts, _ in reports]
            means = [list(mean.values()) for _, _, mean in reports]
            populations[topic] = Population(np.average(means, axis=0, weights=sizes), float(sum(sizes)))
    return populations


def batches(items: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """Yield lists of at most so many items."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
