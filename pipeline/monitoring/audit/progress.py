"""How far the labelling is: labels given and needed for each topic, and how far people agree."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TypedDict

import numpy as np

from pipeline.base.config import Params
from pipeline.base.tasks import AnswerForm, answer_form
from pipeline.base.tasks.items import carried_labels, is_usable
from pipeline.core.monitor.audit_sample import Agreement, agreement, labels_needed
from pipeline.io.journal.audit_queue import AuditQueue
from pipeline.io.journal.reader import END_OF_TIME, START_OF_TIME


class TopicProgress(TypedDict):
    """The queue of one topic: clusters of texts that are drawn, labelled and waiting, and labels needed.

    `unreadable` counts those whose text is not stored. `waiting_since` is when the oldest waiting text was
    written, `newest` when the newest drawn one was, `one_label` the only label that was given; the first and
    the last may be empty.
    """

    topic: str
    drawn: int
    labels: int
    waiting: int
    unreadable: int
    needed: int
    waiting_since: str
    newest: str
    one_label: str


@dataclass
class _Topic:
    """The drawn clusters of a topic: one row of probabilities and a weight each, and the label given."""

    probabilities: dict[str, tuple[float, ...]] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    times: dict[str, str] = field(default_factory=dict)
    newest: dict[str, str] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)


def measure_progress(queue: AuditQueue, params: Params, *, only: str = "") -> list[TopicProgress]:
    """Measure each topic of the queue, sorted by name, or only one."""
    topics: dict[str, _Topic] = defaultdict(_Topic)
    for drawn in queue.all_drawn(topic=only):
        for name in {drawn.topic, *drawn.topics} if not only else {only}:
            topic = topics[name]
            topic.probabilities[drawn.cluster] = drawn.probabilities
            topic.weights[drawn.cluster] += 1 / drawn.inclusion
            topic.times.setdefault(drawn.cluster, drawn.time)
            topic.newest[drawn.cluster] = drawn.time
            if not drawn.readable:
                topic.unreadable.add(drawn.cluster)
    labels = {label.cluster: label.label for label in queue.labels(START_OF_TIME, END_OF_TIME)}
    return [_progress(name, topics[name], labels, params) for name in sorted(topics)]


def measure_agreement(queue: AuditQueue, params: Params) -> Agreement | None:
    """Compare the first two people's labels of each text; None where nobody gave a second opinion."""
    form, known, pairs = answer_form(params.task), params.collect.labels, []
    for _, opinions in groupby(queue.opinions(), key=lambda pair: pair[1].cluster):
        labels = [
            one.label
            for _, one in opinions
            if one.origin == "audit" and one.label and is_usable(form, one.label, known)
        ]
        if len(labels) > 1:
            pairs.append((labels[0], labels[1]))
    found = agreement(pairs, confidence=params.watch.confidence)
    if found and not form.one_label:
        found["labels"] = {
            label: indicators
            for label in known
            if (indicators := agreement(_having(form, label, pairs), confidence=params.watch.confidence))
        }
    return found


def _having(form: AnswerForm, label: str, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return for each pair of answers which of them have a label."""
    has = [tuple(label if label in carried_labels(form, one) else "" for one in pair) for pair in pairs]
    return [(one, other) for one, other in has]


def _progress(name: str, topic: _Topic, labels: dict[str, str], params: Params) -> TopicProgress:
    known = {cluster: labels[cluster] for cluster in topic.probabilities if cluster in labels}
    waiting = [time for cluster, time in topic.times.items() if cluster not in known]
    given, form = set(known.values()), answer_form(params.task)
    return {
        "topic": name,
        "drawn": len(topic.probabilities),
        "labels": len(known),
        "waiting": len(waiting),
        "unreadable": len(topic.unreadable),
        "needed": _needed(topic, known, params),
        "waiting_since": min(waiting, default=""),
        "newest": max(topic.newest.values()),
        "one_label": given.pop() if len(given) == 1 and not form.has_places else "",
    }


def _needed(topic: _Topic, known: dict[str, str], params: Params) -> int:
    names: Sequence[str] = params.collect.labels
    # Releases with other labels say nothing about these.
    clusters = [one for one, row in topic.probabilities.items() if len(row) == len(names)]
    truth, form = np.full((len(clusters), len(names)), np.nan), answer_form(params.task)
    for row, cluster in enumerate(clusters):
        if cluster in known and is_usable(form, known[cluster], names):
            carried = carried_labels(form, known[cluster])
            truth[row] = [name in carried for name in names]
    return labels_needed(
        np.array([topic.probabilities[one] for one in clusters], float).reshape(-1, len(names)),
        np.array([topic.weights[one] for one in clusters], float),
        truth,
        width=params.watch.audit.share_width,
        confidence=params.watch.confidence,
    )
