"""Tasks: what the truth about a text is, and what a prediction of it."""

from pipeline.base.tasks.answers import AnswerForm, answer_form, is_collected, join_labels
from pipeline.base.tasks.names import MULTI_LABEL, ORDINAL, SINGLE_LABEL, TOKEN_LABELS, TaskName
from pipeline.base.tasks.scales import scale_fault

__all__ = [
    "MULTI_LABEL",
    "ORDINAL",
    "SINGLE_LABEL",
    "TOKEN_LABELS",
    "AnswerForm",
    "TaskName",
    "answer_form",
    "is_collected",
    "join_labels",
    "scale_fault",
]
