"""Audit labels for tests: of one topic and release, each of a text of its own."""

from collections.abc import Sequence
from typing import Any

from pipeline.base.documents.audit import AuditLabel

LABELS = ("negative", "neutral", "positive")


def audit_label(number: int, label: str, predicted: str, **values: Any) -> AuditLabel:
    """Return the audit label of the text with this number; `values` replace what is not given."""
    sure = tuple(0.8 if name == predicted else 0.1 for name in LABELS)
    fields = {
        "request": f"r{number:06}",
        "position": 0,
        "time": "2026-11-25T08:00:00Z",
        "topic": "phones",
        "release": "R1",
        "cluster": f"c{number}",
        "predicted": predicted,
        "probabilities": sure,
        "label": label,
        "inclusion": 0.1,
        "annotator": "ada",
        "labelled_at": f"2026-11-26T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z",
    }
    return AuditLabel(**{**fields, **values})


def audit_labels(truth: Sequence[str], predicted: Sequence[str], **values: Any) -> list[AuditLabel]:
    """Return the audit labels of so many texts."""
    pairs = zip(truth, predicted, strict=True)
    return [audit_label(number, label, said, **values) for number, (label, said) in enumerate(pairs)]
