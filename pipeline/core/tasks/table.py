"""The table of the tasks."""

from collections.abc import Mapping

from pipeline.base.tasks import TaskName
from pipeline.core.tasks.aspect import Aspect
from pipeline.core.tasks.generation import Generation
from pipeline.core.tasks.multi_label import MultiLabel
from pipeline.core.tasks.ordinal import Ordinal
from pipeline.core.tasks.protocol import Task
from pipeline.core.tasks.single_label import SingleLabel
from pipeline.core.tasks.token_labels import TokenLabels

EVERY: tuple[Task, ...] = (SingleLabel(), Ordinal(), MultiLabel(), TokenLabels(), Aspect(), Generation())
TASKS: Mapping[TaskName, Task] = {task.name: task for task in EVERY}


def task_named(name: TaskName) -> Task:
    """Return the task that `task` of params.yaml names."""
    return TASKS[name]
