"""Limits of losses for tests about something else."""

from pipeline.base.config import MaxLoss

ALL_MAY_BE_LOST = MaxLoss.model_validate(dict.fromkeys(MaxLoss.model_fields, 1.0))
