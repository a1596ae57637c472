"""Audit labels: the queue of drawn predictions, the labels that people give, and how many are needed.

Only these labels may move a gate, a rollback, an estimate of quality or a correction of a share: for each the
probability is known with which the service drew it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypedDict

from pipeline.base import times
from pipeline.base.config import Params, Workspace
from pipeline.base.documents.audit import AuditLabel, DrawnPrediction, Opinion
from pipeline.base.errors import UsageError
from pipeline.base.tasks import AnswerForm
from pipeline.core.monitor.audit_sample import Agreement, LabelAgreement
from pipeline.io.journal.audit_queue import AuditQueue
from pipeline.io.journal.journal import Journal
from pipeline.io.journal.reader import END_OF_TIME, START_OF_TIME
from pipeline.io.params_file import load_params
from pipeline.monitoring.audit.draw import draw
from pipeline.monitoring.audit.forms import forms_of_releases, read_answer
from pipeline.monitoring.audit.judges import judging_labels
from pipeline.monitoring.audit.progress import TopicProgress, measure_agreement, measure_progress
from pipeline.monitoring.windows.labelled import batches

__all__ = [
    "AuditStatus",
    "LabelAgreement",
    "QueuedText",
    "TopicProgress",
    "audit_status",
    "draw",
    "form_of_text",
    "queued_text",
    "read_audit_labels",
    "read_queue",
    "record_answer",
    "record_label",
    "skip_text",
    "topic_progress",
    "undo_label",
]


BATCH = 20  # texts that are looked up at a time
GONE_HOURS = 7 * 24  # behind the other topics
NOT_DRAWN = "This prediction was not drawn, or it is past the retention. Nothing was stored."


@dataclass(frozen=True)
class QueuedText:
    """A text that waits for a label; nothing in it says what the model predicted."""

    request: str
    position: int
    time: str
    topic: str
    text: str
    text_id: str


class AuditStatus(TypedDict):
    """How far the labelling is: each topic, the agreement of people, and sentences about what to do.

    `waiting` counts texts without a label, `unreadable` drawn predictions whose text is not stored.
    """

    per_topic_per_day: int
    share_width: float
    waiting: int
    unreadable: int
    topics: list[TopicProgress]
    agreement: Agreement | None
    sentences: list[str]


def read_audit_labels(workspace: Workspace, *, since: str = "", until: str = "") -> Iterator[AuditLabel]:
    """Yield the audit labels of texts written from `since` up to and without `until`, the oldest first.

    Times are UTC, empty for no bound. Copies of one text are one cluster and have one label for each topic
    and release: the first that a person gave. `drawn` counts the drawn predictions it stands for, and
    drawn/inclusion is the sum of their weights. Labels of predictions past the retention are gone; those of
    texts that the release may have been trained on are left out.
    """
    start = times.to_micros(since) if since else START_OF_TIME
    end = times.to_micros(until) if until else END_OF_TIME
    return judging_labels(workspace, AuditQueue(workspace.journal).labels(start, end))


def read_queue(workspace: Workspace, annotator: str, *, topic: str = "", most: int = 1) -> list[QueuedText]:
    """Return the texts that wait for a person's label, in the order of the queue."""
    waiting = AuditQueue(workspace.journal).waiting(annotator, topic=topic)
    texts: list[QueuedText] = []
    for batch in batches((one for one in waiting if one.readable), BATCH):
        texts += _with_texts(workspace, batch)
        if len(texts) >= most:
            break
    return texts[:most]


def record_label(
    workspace: Workspace,
    key: tuple[str, int],
    label: str,
    *,
    annotator: str,
    now: datetime | None = None,
) -> str:
    """Store a person's label as `record_answer` does, and return the label that counts."""
    return record_answer(workspace, key, label, annotator=annotator, now=now)[0]


def record_answer(
    workspace: Workspace,
    key: tuple[str, int],
    written: str,
    *,
    annotator: str,
    now: datetime | None = None,
) -> tuple[str, str]:
    """Store a person's answer about a drawn prediction; return the one that counts, and the one given.

    An answer is one of `collect.labels`, several of them as in `food + price`, or a JSON list of spans, by
    the task of the release that predicted. The first one of a person counts until they undo it. Raises
    UsageError for what is no answer, or does not fit its text, and for a prediction that was not drawn or is
    past the retention.
    """
    params = load_params(workspace.params)
    drawn = AuditQueue(workspace.journal).drawn(*key)
    form = forms_of_releases(workspace, params)(drawn.release if drawn else "")
    if drawn is None and form.has_places:
        raise UsageError(NOT_DRAWN)
    text = ""
    if drawn and form.has_places:
        text = next((one.text for one in _with_texts(workspace, [drawn])), "")
    answer = read_answer(form, written, params.collect.labels, text)
    return _store(workspace, drawn, answer, annotator=annotator, now=now), answer


def form_of_text(workspace: Workspace, params: Params, text: QueuedText) -> AnswerForm:
    """Return the form of the answers about a drawn text."""
    drawn = AuditQueue(workspace.journal).drawn(text.request, text.position)
    return forms_of_releases(workspace, params)(drawn.release if drawn else "")


def skip_text(
    workspace: Workspace, key: tuple[str, int], *, annotator: str, now: datetime | None = None
) -> None:
    """Leave a text out for this person; raises UsageError as `record_label` does."""
    drawn = AuditQueue(workspace.journal).drawn(*key)
    _store(workspace, drawn, "", annotator=annotator, now=now)


def undo_label(workspace: Workspace, annotator: str) -> QueuedText | None:
    """Take a person's newest label or skip back, and return its text; None where there is none."""
    shown = AuditQueue(workspace.journal).undo(annotator)
    return next(iter(_with_texts(workspace, [shown])), None) if shown else None


def queued_text(workspace: Workspace, key: tuple[str, int]) -> QueuedText | None:
    """Return a drawn text by request and position, None where it is not there or not readable."""
    drawn = AuditQueue(workspace.journal).drawn(*key)
    return next(iter(_with_texts(workspace, [drawn])), None) if drawn and drawn.readable else None


def topic_progress(workspace: Workspace, params: Params, topic: str) -> tuple[TopicProgress, str] | None:
    """Say how far one topic is, as figures and as a sentence; None where nothing of it was drawn."""
    for progress in measure_progress(AuditQueue(workspace.journal), params, only=topic):
        return progress, _topic_sentence(progress, params.watch.audit.share_width)
    return None


def audit_status(workspace: Workspace, params: Params) -> AuditStatus:
    """Say how many labels there are and are needed, for each topic, and what to do next."""
    queue, cfg = AuditQueue(workspace.journal), params.watch.audit
    progress = measure_progress(queue, params)
    return {
        "per_topic_per_day": cfg.per_topic_per_day,
        "share_width": cfg.share_width,
        "waiting": sum(topic["waiting"] for topic in progress),
        "unreadable": sum(topic["unreadable"] for topic in progress),
        "topics": progress,
        "agreement": measure_agreement(queue, params),
        "sentences": list(_sentences(progress, params)),
    }


def _store(
    workspace: Workspace,
    drawn: DrawnPrediction | None,
    label: str,
    *,
    annotator: str,
    now: datetime | None,
) -> str:
    if drawn is None:
        raise UsageError(NOT_DRAWN)
    time = times.format_micros(now or datetime.now(UTC))
    queue = AuditQueue(workspace.journal)
    ((counted, _),) = queue.add_opinions([Opinion(drawn.cluster, annotator, label, time)])
    return counted


def _with_texts(workspace: Workspace, drawn: Sequence[DrawnPrediction]) -> list[QueuedText]:
    entries = Journal.reading(workspace.journal).find_all((one.request, one.position) for one in drawn)
    return [
        QueuedText(one.request, one.position, one.time, one.topic, entry.text, one.text_id)
        for one in drawn
        if (entry := entries.get((one.request, one.position)))
    ]


def _sentences(progress: Sequence[TopicProgress], params: Params) -> Iterator[str]:
    cfg = params.watch.audit
    if not cfg.per_topic_per_day:
        yield "Nothing is drawn, since watch.audit.per_topic_per_day is 0. Set it to let people label texts."
    if not progress:
        yield "Nothing has been drawn yet. Each pass of `tonewatch watch` draws from complete hours."
        return
    if unreadable := sum(topic["unreadable"] for topic in progress):
        yield (
            f"{unreadable:,} drawn predictions cannot be shown, since the journal stores no text of them "
            "(serve.journal.texts: hash). Label them by your own ids: `tonewatch labels export --out x.csv`."
        )
    if not any(topic["labels"] for topic in progress):
        yield "There is no audit label yet, so no share, gate or rollback rests on one."
    newest = max(topic["newest"] for topic in progress)
    for topic in progress:
        sentence = _topic_sentence(topic, cfg.share_width)
        gone = topic["newest"] < times.to_micros(times.hours_before(newest, hours=GONE_HOURS))
        yield f"{sentence} No text of it was drawn since {topic['newest'][:10]}." if gone else sentence


def _topic_sentence(topic: TopicProgress, width: float) -> str:
    name, labels, needed = topic["topic"], topic["labels"], topic["needed"]
    points = f"±{100 * width:g} points"
    if labels >= needed:
        return f"{name}: {labels:,} labels, enough for {points} ({needed:,}). You can stop here."
    sentence = f"{name}: {labels:,} of {needed:,} labels needed for {points}; {topic['waiting']:,} texts wait"
    if topic["waiting"] and topic["waiting_since"]:
        sentence += f", the oldest since {topic['waiting_since'][:10]}"
    if labels and topic["one_label"]:
        return f"{sentence}. All labels so far are {topic['one_label']}, which says little about the others."
    return f"{sentence}."
