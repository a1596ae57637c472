"""The effect of a change of the model: both releases predict old texts and new ones, topic by topic."""

import functools
from collections.abc import Mapping, Sequence

from pipeline.base import times
from pipeline.base.config import Params
from pipeline.base.documents import LabelShift, ModelChange, TopicShift, WindowReport
from pipeline.base.errors import TonewatchError
from pipeline.base.seeds import seed_for
from pipeline.base.tasks.items import carried_labels
from pipeline.core.change.profile import share
from pipeline.core.monitor import bridging
from pipeline.core.monitor.bridging import Carried
from pipeline.io.journal.counting import Content
from pipeline.io.journal.reader import JournalReader
from pipeline.monitoring.reference import ReferenceCache, ReleaseReference
from pipeline.monitoring.windows.counts import ALL, OTHER, WindowPredictions, count_window, draw_rows

DAYS = 7  # before the change; old texts come from windows at the same hour, so a daily cycle is no change
HOURS_A_DAY = 24
OLD_TEXTS_MINUTES = DAYS * HOURS_A_DAY * 60
Texts = dict[str, list[tuple[str, str]]]  # by topic: each text with the answer it was served with


def measure_model_change(
    journal: JournalReader,
    references: ReferenceCache,
    reference: ReleaseReference,
    predictions: WindowPredictions,
    *,
    earlier: Sequence[WindowReport],
    params: Params,
) -> ModelChange:
    """Measure what a change of the model alone did in each topic.

    The new release predicts old texts: at most `watch.overlap_texts` of each topic, from windows of the old
    release. The old release predicts as many texts of this window, so that a true change is told from one of
    the model.
    """
    previous = earlier[-1]["release"]
    change: ModelChange = {"from": previous, "to": reference.name, "texts": 0, "labels": None}
    old_texts = _old_texts(journal, predictions, earlier, params, references.content)
    least = params.watch.min_texts
    if len(old_texts[ALL]) < least:
        change["why"] = (
            f"only {len(old_texts[ALL])} texts from before the change are readable, and at least {least} are "
            "needed to measure it"
        )
        return change
    try:
        old = references.get(previous)
        if old.labels != reference.labels or old.form is not reference.form:
            change["why"] = "the two releases have different labels"
            return change
        topics = _topic_shifts(old, reference, old_texts, _texts_of(predictions, params), params)
    except TonewatchError as error:
        change["why"] = str(error)
        return change
    change["texts"], change["labels"], change["topics"] = len(old_texts[ALL]), topics[ALL]["labels"], topics
    return change


def _topic_shifts(
    old: ReleaseReference, new: ReleaseReference, old_texts: Texts, new_texts: Texts, params: Params
) -> dict[str, TopicShift]:
    topics = [topic for topic in old_texts if topic != ALL and old_texts[topic]]
    pairs: dict[str, tuple[list[Carried], list[Carried]]] = {}
    # One topic after the other: only its predictions are in memory.
    for topic in topics:
        predicted = new.predictor.predict([text for text, _ in old_texts[topic]]).labels
        pairs[topic] = _carried(new, [answer for _, answer in old_texts[topic]]), _carried(new, predicted)
    measure = functools.partial(
        bridging.measure_model_shifts,
        labels=new.labels,
        confidence=params.watch.confidence,
        one_label=new.form.one_label,
    )
    shifts = measure(pairs)
    served_all, predicted_all = ([row for topic in topics for row in pairs[topic][side]] for side in (0, 1))
    together = {ALL: (served_all, predicted_all)}
    shifts |= measure(together)
    return {
        topic: {
            "texts": len(old_texts[topic]),
            "labels": shifts[topic],
            "by_old_release": _old_changes(old, old_texts[topic], new_texts.get(topic, []), shifts[topic]),
        }
        for topic in (ALL, *topics)
    }


def _old_changes(
    old: ReleaseReference,
    old_texts: Sequence[tuple[str, str]],
    new_texts: Sequence[tuple[str, str]],
    labels: Mapping[str, LabelShift],
) -> dict[str, tuple[float, float]]:
    """Compute the change of each share that the old release sees, with its standard error."""
    if not new_texts:
        return {}
    predicted = _carried(old, old.predictor.predict([text for text, _ in new_texts]).labels)
    served, seen = _carried(old, [answer for _, answer in old_texts]), {}
    for label in labels:
        place = old.labels.index(label)
        before, before_error = share(sum(place in one for one in served), len(old_texts))
        after, after_error = share(sum(place in one for one in predicted), len(new_texts))
        seen[label] = after - before, float((before_error**2 + after_error**2) ** 0.5)
    return seen


def _carried(release: ReleaseReference, answers: Sequence[str]) -> list[Carried]:
    """Return the numbers of the labels that each answer has."""
    labels, form = release.labels, release.form
    return [tuple(labels.index(label) for label in carried_labels(form, answer)) for answer in answers]


def _old_texts(
    journal: JournalReader,
    predictions: WindowPredictions,
    earlier: Sequence[WindowReport],
    params: Params,
    content: Content,
) -> Texts:
    """Draw texts of each topic from windows of the old release, if possible at the hour of this window."""
    previous, texts = earlier[-1]["release"], Texts()
    windows = _same_hour(earlier, times.format_seconds(times.parse_time(predictions.start)))
    for window in windows:
        start, end = times.to_micros(window["window"]["start"]), times.to_micros(window["window"]["end"])
        old = count_window(
            journal,
            journal.counts(start, end, named=predictions.named, other=OTHER, content=content),
            start=start,
            end=end,
            release=previous,
            named=predictions.named,
        )
        for topic, drawn in _texts_of(old, params, parts=len(windows)).items():
            texts.setdefault(topic, []).extend(drawn)
    texts.setdefault(ALL, [])
    return texts


def _same_hour(earlier: Sequence[WindowReport], start: str) -> list[WindowReport]:
    """Choose windows of the old release: those a day, two days, … before, else the newest ones."""
    release = earlier[-1]["release"]
    starts = {times.hours_before(start, hours=HOURS_A_DAY * day) for day in range(1, DAYS + 1)}
    own = [window for window in earlier if window["release"] == release]
    return [window for window in own if window["window"]["start"] in starts] or own[-DAYS:]


def _texts_of(predictions: WindowPredictions, params: Params, *, parts: int = 1) -> Texts:
    """Draw readable texts of each topic; under `all` are those of all topics."""
    size = max(1, -(-params.watch.overlap_texts // parts))
    seed = seed_for(params.seed, "watch", "overlap", predictions.start)
    rows = {
        topic: draw_rows(counts.texts, size, seed)
        for topic, counts in predictions.topics.items()
        if topic != ALL
    }
    texts: Texts = {}
    for topic, keys in predictions.sample(rows).items():
        entries = [entry for entry in predictions.entries(keys) if entry.text]
        texts[topic] = [(entry.text, entry.label) for entry in entries]
    return {ALL: [text for drawn in texts.values() for text in drawn], **texts}
