"""The source of kind `feedback`: texts whose true label clients sent to the service."""

from pathlib import Path

from pipeline.base.config import CollectConfig, Workspace
from pipeline.base.config.sources import FeedbackSource
from pipeline.base.digests import text_digest
from pipeline.base.records import Feedback, TextRecord
from pipeline.io import parquet
from pipeline.io.journal.journal import Journal

# Data versions store this text and their fingerprints cover it, so it stays as it is.
LICENCE = "told by users of the service"


def read_feedback(journal: Path, source: FeedbackSource, cfg: CollectConfig) -> list[TextRecord]:
    """Return the newest labelled texts, at most `source.max_texts`, in the order of their ids.

    The last label sent for a text counts. Feedback without its text, or with a label that is not collected,
    is left out.
    """
    if not journal.is_dir():
        return []
    latest = {
        feedback.text: feedback
        for feedback in Journal.reading(journal).labels()
        if feedback.text and feedback.label in cfg.labels
    }
    by_time = sorted(
        latest.values(), key=lambda feedback: (feedback.time, feedback.request, feedback.position)
    )
    newest = by_time[-source.max_texts :]
    lang = cfg.tables[0].lang
    return sorted(
        (_to_record(feedback, source.name, lang) for feedback in newest), key=lambda record: record.id
    )


def count_new_labels(workspace: Workspace, cfg: CollectConfig) -> int:
    """Count the labelled texts that the collected data in the work tree lack, or hold with another label."""
    if cfg.feedback is None:
        return 0
    raw = workspace.root / "data" / "raw" / "texts.parquet"
    collected = {record.id: record.label for record in parquet.read_texts(raw)} if raw.is_file() else {}
    labelled = read_feedback(workspace.journal, cfg.feedback, cfg)
    return sum(collected.get(record.id) != record.label for record in labelled)


def _to_record(feedback: Feedback, source: str, lang: str) -> TextRecord:
    # The id and group are those of the text: however often it was sent, it stays in one split.
    key = f"{source}:{text_digest(feedback.text)[:16]}"
    return TextRecord(
        id=key,
        text=feedback.text,
        label=feedback.label,
        source=source,
        group=key,
        lang=lang,
        time=feedback.time,
        licence=LICENCE,
    )
