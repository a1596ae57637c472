"""The task that a table is for, by what its columns hold."""

from collections.abc import Sequence

from pipeline.base.tasks import (
    ASPECT,
    GENERATION,
    MULTI_LABEL,
    ORDINAL,
    SINGLE_LABEL,
    TOKEN_LABELS,
    TaskName,
    scale_fault,
)
from pipeline.core.inspection.labels import is_stars
from pipeline.core.inspection.profiles import Roles


def task_of(roles: Roles, labels: Sequence[str]) -> TaskName:
    """Return the task; of labels whose order only a person knows, that of one label a text."""
    if roles.spans:
        return TOKEN_LABELS
    if roles.reference:
        return GENERATION
    if roles.separator or roles.several:
        return MULTI_LABEL
    if roles.target:
        return ASPECT
    if roles.label and is_stars(labels) and scale_fault(labels) is None:
        return ORDINAL
    return SINGLE_LABEL
