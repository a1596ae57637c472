"""The source of kind `feedback`: texts whose true label clients sent to the service; they only train."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from pipeline.base.config import CollectConfig
from pipeline.base.config.sources import FeedbackSource
from pipeline.base.digests import KEY_DIGITS, text_digest
from pipeline.base.records import TRAIN_ONLY, Feedback, TextRecord
from pipeline.base.tasks import is_collected
from pipeline.base.tasks.targets import without_target
from pipeline.io.journal.journal import Journal
from pipeline.io.journal.reader import JournalReader

# Data versions store this text and their fingerprints cover it, so it stays as it is.
LICENCE = "told by users of the service"
BATCH = 1000


def read_feedback(journal: Path, source: FeedbackSource, cfg: CollectConfig) -> list[TextRecord]:
    """Return the newest labelled texts, at most `source.max_texts`, in the order of their ids.

    The last label sent for a text counts. Feedback is left out where its prediction is past the retention or
    its text was not stored, and where its label is not collected.
    """
    if not journal.is_dir():
        return []
    newest: dict[str, Feedback] = {}
    for text, feedback in _newest_texts(Journal.reading(journal)):
        if is_collected(feedback.label, cfg.labels):
            newest.setdefault(text, feedback)
        if len(newest) == source.max_texts:
            break
    lang = cfg.tables[0].lang
    records = (_to_record(text, feedback, source.name, lang) for text, feedback in newest.items())
    return sorted(records, key=lambda record: record.id)


def feedback_id(source: str, text: str) -> str:
    """Return the id of a labelled text: however often it was sent, it stays in one split."""
    return f"{source}:{text_digest(text)[:KEY_DIGITS]}"


def _newest_texts(journal: JournalReader) -> Iterator[tuple[str, Feedback]]:
    """Yield the text of each labelled prediction that is kept, the newest label first."""
    labels = journal.newest_labels()
    while batch := list(islice(labels, BATCH)):
        entries = journal.find_all((feedback.request, feedback.position) for feedback in batch)
        for feedback in batch:
            entry = entries.get((feedback.request, feedback.position))
            if entry and entry.text:
                yield entry.text, feedback


def _to_record(text: str, feedback: Feedback, source: str, lang: str) -> TextRecord:
    key = feedback_id(source, text)
    return TextRecord(
        id=key,
        text=text,
        label=feedback.label,
        source=source,
        group=feedback_id(source, without_target(text)),
        lang=lang,
        time=feedback.time,
        licence=LICENCE,
        split=TRAIN_ONLY,
    )
