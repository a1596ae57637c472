"""Limits of losses and of changes for tests about something else."""

from pipeline.base.config import ChangeLimits, MaxLoss

ALL_MAY_BE_LOST = MaxLoss.model_validate(dict.fromkeys(MaxLoss.model_fields, 1.0))
SMALL_CHANGES = ChangeLimits.model_validate(
    {**dict.fromkeys(ChangeLimits.model_fields, 0.1), "max_added": 1.0, "stop": []}
)
