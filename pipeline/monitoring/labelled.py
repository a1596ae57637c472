"""Predictions whose ground truth is known from feedback."""

from dataclasses import dataclass

from pipeline.base.records import JournalEntry
from pipeline.io.journal.journal import Journal, latest_labels


@dataclass(frozen=True)
class LabelledPrediction:
    """A prediction and its ground truth."""

    truth: str
    entry: JournalEntry


def read_labelled(journal: Journal, release: str, *, since: str, until: str) -> list[LabelledPrediction]:
    """Read the feedback sent from `since` up to and without `until` on predictions of a release.

    The last label sent for a prediction counts; predictions that are no longer in the journal are left out.
    """
    labels = latest_labels(journal.labels(since, until))
    entries = journal.find_all((label.request, label.position) for label in labels)
    labelled = (
        LabelledPrediction(label.label, entries[label.request, label.position])
        for label in labels
        if (label.request, label.position) in entries
    )
    return [prediction for prediction in labelled if prediction.entry.release == release]
