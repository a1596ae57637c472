"""Sentences about the labels of a table: what a person should know or decide."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.core.inspection.labels import RESERVED, LabelPlan, is_stars
from pipeline.core.inspection.profiles import Roles

MAX_VALUES = 1000


def label_doubts(path: Path, roles: Roles, plan: LabelPlan, values: Mapping[str, int]) -> Iterator[str]:
    """Yield what a person should know or decide about the labels."""
    if not (roles.label or roles.rating or roles.one_hot or roles.spans or roles.reference):
        yield (
            f"No column of {path.name} holds labels. If a second file holds them, name it: "
            "`--labels-from FILE`."
        )
    if roles.label and is_stars(plan.labels):
        yield (
            f"Column {roles.label} holds stars: each number is a label, and the task is `ordinal` where each "
            "text has one. For three labels write `task: single_label`, "
            f"`columns.rating: {roles.label}` in place of label, "
            "`ratings: {negative_to: 2, positive_from: 4}` and `labels: [negative, neutral, positive]`."
        )
    elif roles.label and plan.labels and all(re.fullmatch(r"[-+]?\d+", label) for label in plan.labels):
        yield 'The labels are numbers: give them names with `label_map: {"0": negative, …}` and `labels`.'
    if roles.rating and plan.labels:
        yield (
            f"Column {roles.rating} is a rating: three labels are made of it by `ratings`. "
            "Move the cuts to where your readers would."
        )
    if roles.separator:
        several = sum(number for value, number in values.items() if roles.separator in value.strip())
        total = sum(values.values())
        yield (
            f"{several:,} of {total:,} texts have several labels (separated by {roles.separator!r}): "
            "the task is `multi_label`. With `task: single_label` they are set aside."
        )
    for name, label in plan.label_map.items():
        reserved = " (it is what the service answers when it is not sure)" if name in RESERVED else ""
        yield f"Label {name!r} is read as {label!r}{reserved}: see `label_map`."
    for name, number in plan.left_out.items():
        what = f"the value {name[:40]!r}" if name else "an empty label"
        yield f"{number:,} texts with {what} are no part of the labels."
    if len(values) >= MAX_VALUES:
        yield f"The column of labels holds {MAX_VALUES} values or more: it may be another column."
