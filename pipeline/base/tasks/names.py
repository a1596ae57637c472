"""The names of the tasks, as `task` in params.yaml has them."""

from typing import Literal

TaskName = Literal["single_label", "ordinal"]
SINGLE_LABEL: TaskName = "single_label"
ORDINAL: TaskName = "ordinal"
