"""The names of the tasks, as `task` in params.yaml has them."""

from typing import Literal

TaskName = Literal["single_label", "ordinal", "multi_label", "token_labels", "aspect", "generation"]
SINGLE_LABEL: TaskName = "single_label"
ORDINAL: TaskName = "ordinal"
MULTI_LABEL: TaskName = "multi_label"
TOKEN_LABELS: TaskName = "token_labels"
ASPECT: TaskName = "aspect"
GENERATION: TaskName = "generation"
