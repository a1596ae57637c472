"""Tasks: what the truth about a text is, and what a prediction of it."""

from pipeline.base.tasks.answers import (
    AnswerForm,
    answer_form,
    are_comparable,
    is_collected,
    join_labels,
    writes_texts,
)
from pipeline.base.tasks.names import (
    ASPECT,
    GENERATION,
    MULTI_LABEL,
    ORDINAL,
    SINGLE_LABEL,
    TOKEN_LABELS,
    TaskName,
)
from pipeline.base.tasks.scales import scale_fault
from pipeline.base.tasks.targets import reads_targets

__all__ = [
    "ASPECT",
    "GENERATION",
    "MULTI_LABEL",
    "ORDINAL",
    "SINGLE_LABEL",
    "TOKEN_LABELS",
    "AnswerForm",
    "TaskName",
    "answer_form",
    "are_comparable",
    "is_collected",
    "join_labels",
    "reads_targets",
    "scale_fault",
    "writes_texts",
]
