"""Aspect: a text has one of the labels for each target in it; text and target are read as a pair.

The pair is that of the tokenizer's own template, as [CLS] text [SEP] target [SEP] (Sun, Huang and Qiu, 2019),
so that everything behind the tokens is as for one label a text.
"""

from typing import ClassVar

from pipeline.base.documents.evaluation import TaskScores
from pipeline.base.tasks import ASPECT, TaskName
from pipeline.core.tasks.single_label import SingleLabel


class Aspect(SingleLabel):
    """Train on the label of each pair of a text and a target."""

    name: TaskName = ASPECT
    own: ClassVar[TaskScores] = {"task": ASPECT}
