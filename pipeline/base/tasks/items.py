"""The items of an answer, for whoever counts or compares answers of any task.

An item is a label, or an entity with its place; the form of the task takes an answer apart
(`AnswerForm.items_of`). One label is the only item of its answer.
"""

from collections.abc import Collection

from pipeline.base.tasks.answers import AnswerForm


def carried_labels(form: AnswerForm, answer: str) -> tuple[str, ...]:
    """Return each label that an answer has an item of, once."""
    return tuple(dict.fromkeys(form.labels_of(answer)))


def are_equal(form: AnswerForm, answer: str, other: str) -> bool:
    """Return whether two answers have the same items, in whatever order they are written."""
    return answer == other or set(form.items_of(answer)) == set(form.items_of(other))


def item_f1(form: AnswerForm, truth: str, predicted: str) -> float:
    """Compute F1 of the items of one prediction (Dice, 1945), from 0 to 1; 1 where neither has any.

    Of one label it is 1 where the prediction is right, and else 0.
    """
    true, found = set(form.items_of(truth)), set(form.items_of(predicted))
    if not true and not found:
        return 1.0
    return 2.0 * len(true & found) / (len(true) + len(found))


def is_usable(form: AnswerForm, answer: str, known: Collection[str]) -> bool:
    """Return whether what is stored as an answer is one; of one label any name is, known or not."""
    return form.one_label or form.fault(answer, "", known) is None
