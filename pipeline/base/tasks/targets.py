"""Targets: what a text speaks of, where its answer is about that alone.

A text with its target is one string of two lines, so that whatever holds a text holds both: records, the
journal, the queue of texts to label. Cleaned texts have no line break, so one line is a text alone.
"""

from collections.abc import Callable

from pipeline.base.tasks.names import ASPECT, TaskName

BREAK = "\n"


def reads_targets(task: TaskName) -> bool:
    """Return whether the answers of a task are about a target in a text."""
    return task == ASPECT


def with_target(text: str, target: str) -> str:
    """Return a text with its target; a line break in either becomes a blank."""
    first, second = (part.replace(BREAK, " ") for part in (text, target))
    return f"{first}{BREAK}{second}" if second.strip() else first


def split_target(text: str) -> tuple[str, str]:
    """Return a text without its target, and the target, "" where it has none."""
    first, _, second = text.partition(BREAK)
    return first, second


def without_target(text: str) -> str:
    """Return a text without its target."""
    return split_target(text)[0]


def by_part(change: Callable[[str], str], text: str) -> str:
    """Change a text and its target, each by itself."""
    return with_target(*map(change, split_target(text)))
