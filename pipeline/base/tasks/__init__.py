"""Tasks: what the truth about a text is, and what a prediction of it."""

from pipeline.base.tasks.names import ORDINAL, SINGLE_LABEL, TaskName
from pipeline.base.tasks.scales import scale_fault

__all__ = ["ORDINAL", "SINGLE_LABEL", "TaskName", "scale_fault"]
