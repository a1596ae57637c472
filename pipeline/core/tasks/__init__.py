"""What differs from task to task, one module each: targets, loss, metrics, comparison.

The answers that a model gives are decoded in core/model, and the gate's checks of a task are in core/gate.
"""

from pipeline.core.tasks.multi_label import MultiLabel
from pipeline.core.tasks.ordinal import Ordinal
from pipeline.core.tasks.protocol import AnswerTable, Task, TruthRow
from pipeline.core.tasks.single_label import SingleLabel
from pipeline.core.tasks.table import task_named

__all__ = ["AnswerTable", "MultiLabel", "Ordinal", "SingleLabel", "Task", "TruthRow", "task_named"]
