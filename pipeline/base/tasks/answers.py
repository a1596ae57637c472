"""Answers: what is true of a text, or what a model predicts, as one string; and the items it consists of.

From `clean` on the label of a record is the answer of its task. One label is its own answer. Several labels
are joined in the order of `collect.labels`; a text that has none of them says so.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Protocol

from pipeline.base.data_account import NO_LABEL, SEVERAL_LABELS, UNKNOWN_LABEL
from pipeline.base.errors import DataRejected
from pipeline.base.labels import EMPTY_SET, label_key, unpack_labels
from pipeline.base.tasks.names import (
    ASPECT,
    GENERATION,
    MULTI_LABEL,
    ORDINAL,
    SINGLE_LABEL,
    TOKEN_LABELS,
    TaskName,
)
from pipeline.base.tasks.spans import Span, dump_spans, load_spans, span_fault
from pipeline.base.tasks.targets import reads_targets
from pipeline.base.tasks.written import WrittenText

JOINT = " + "
NONE_APPLIES = "no label"
FEWEST = 2


class AnswerForm(Protocol):
    """Describe the answers of a task; `known` are the labels of `collect.labels`.

    With `one_label` an answer is one of the labels, and each excludes the others. With `has_places` it names
    characters of the text, so that it is of one wording alone. With `is_written` it is a text itself, made of
    no labels, and a text may have several.
    """

    one_label: bool
    has_places: bool
    is_written: bool

    def answer(self, label: str, more_labels: str, known: Sequence[str]) -> str:
        """Return the answer of a record with these labels."""

    def fault(self, label: str, more_labels: str, known: Collection[str]) -> str | None:
        """Return why a record with these labels cannot be used, None when it can."""

    def read(self, written: str, known: Sequence[str]) -> str | None:
        """Return the answer that somebody wrote, as the task spells it; None where it is none."""

    def labels_of(self, answer: str) -> tuple[str, ...]:
        """Return the labels of an answer, one for each of its items."""

    def items_of(self, answer: str) -> tuple[tuple[str, Hashable], ...]:
        """Return the items of an answer: the label of each, and what tells it from others of that label."""

    def content(self, answer: str) -> str:
        """Return the answer without places: which labels it has items of. Few answers are left to count."""

    def set_fault(self, known: Sequence[str]) -> str | None:
        """Return why these labels cannot be those of the task, None when they can."""


class OneLabel:
    """One label of a text, which is the answer itself."""

    one_label = True
    has_places = False
    is_written = False

    def answer(self, label: str, more_labels: str, known: Sequence[str]) -> str:
        """Return the label."""
        assert not more_labels or label not in known
        return label

    def fault(self, label: str, more_labels: str, known: Collection[str]) -> str | None:
        """Return the reason of a text without a label, with an unknown one, or with several."""
        if not label:
            return NO_LABEL
        if label not in known:
            return UNKNOWN_LABEL
        return SEVERAL_LABELS if more_labels else None

    def read(self, written: str, known: Sequence[str]) -> str | None:
        """Return the label that somebody wrote."""
        return {label_key(label): label for label in known}.get(label_key(written))

    def labels_of(self, answer: str) -> tuple[str, ...]:
        """Return the label."""
        return (answer,)

    def items_of(self, answer: str) -> tuple[tuple[str, Hashable], ...]:
        """Return the label."""
        return ((answer, None),)

    def content(self, answer: str) -> str:
        """Return the label."""
        return answer

    def set_fault(self, known: Sequence[str]) -> str | None:
        """Return None: every two labels will do."""
        return None if len(known) >= FEWEST else "a model needs two labels"


class AnyLabels:
    """Any subset of the labels: `food + service`, or `no label`."""

    one_label = False
    has_places = False
    is_written = False

    def answer(self, label: str, more_labels: str, known: Sequence[str]) -> str:
        """Join the labels in the order of `collect.labels`."""
        has = {*self.labels_of(label), *unpack_labels(more_labels)}
        return join_labels([one for one in known if one in has])

    def fault(self, label: str, more_labels: str, known: Collection[str]) -> str | None:
        """Return the reason of a text whose labels are not told, or one of them is unknown."""
        if not label:
            return None if more_labels == EMPTY_SET else NO_LABEL
        labels = (*self.labels_of(label), *unpack_labels(more_labels))
        return None if set(labels) <= set(known) else UNKNOWN_LABEL

    def read(self, written: str, known: Sequence[str]) -> str | None:
        """Return the labels that somebody joined by a plus sign, in any order, or that there is none."""
        if label_key(written) == label_key(NONE_APPLIES):
            return NONE_APPLIES
        by_key = {label_key(label): label for label in known}
        has = [by_key.get(label_key(part)) for part in written.split(JOINT.strip())]
        return None if None in has else join_labels([one for one in known if one in has])

    def labels_of(self, answer: str) -> tuple[str, ...]:
        """Return the labels of the subset, none of the empty one."""
        return tuple(answer.split(JOINT)) if answer and answer != NONE_APPLIES else ()

    def items_of(self, answer: str) -> tuple[tuple[str, Hashable], ...]:
        """Return the labels of the subset."""
        return tuple((label, None) for label in self.labels_of(answer))

    def content(self, answer: str) -> str:
        """Return the subset."""
        return answer

    def set_fault(self, known: Sequence[str]) -> str | None:
        """Return the label that an answer could not be told from, None where there is none."""
        if len(known) < FEWEST:
            return "a model needs two labels"
        if joined := [label for label in known if JOINT.strip() in label]:
            return f"{joined[0]!r} holds {JOINT.strip()!r}, which joins the labels of a text"
        if label_key(NONE_APPLIES) in map(label_key, known):
            return f"{NONE_APPLIES!r} is the answer for a text that has none of the labels"
        return None


class Entities:
    """Entities of a text: a JSON list of spans."""

    one_label = False
    has_places = True
    is_written = False

    def answer(self, label: str, more_labels: str, known: Sequence[str]) -> str:
        """Return the spans in order."""
        assert known
        assert not more_labels
        return dump_spans(load_spans(label))

    def fault(self, label: str, more_labels: str, known: Collection[str]) -> str | None:
        """Return the reason of a text whose entities are not known, or of which one has an unknown label."""
        if not label or more_labels:
            return NO_LABEL
        spans = _spans_or_none(label)
        return UNKNOWN_LABEL if spans is None or {span.label for span in spans} - set(known) else None

    def read(self, written: str, known: Sequence[str]) -> str | None:
        """Return spans that somebody wrote as JSON; how long the text is, is not known here."""
        spans = _spans_or_none(written)
        if spans is None or span_fault(spans, max((span.end for span in spans), default=0), known):
            return None
        return dump_spans(spans)

    def labels_of(self, answer: str) -> tuple[str, ...]:
        """Return the label of each entity."""
        return tuple(label for label, _ in self.items_of(answer))

    def items_of(self, answer: str) -> tuple[tuple[str, Hashable], ...]:
        """Return the label of each entity and where it lies."""
        return tuple((span.label, (span.start, span.end)) for span in load_spans(answer))

    def content(self, answer: str) -> str:
        """Return an entity of each label, all of them nowhere."""
        return dump_spans(Span(0, 0, label) for label in set(self.labels_of(answer)))

    def set_fault(self, known: Sequence[str]) -> str | None:
        """Return None: every label will do."""
        return None if known else "entities need a label"


def _spans_or_none(written: str) -> tuple[Span, ...] | None:
    try:
        return load_spans(written)
    except DataRejected:
        return None


def is_collected(answer: str, known: Collection[str]) -> bool:
    """Return whether an answer of any task is made of these labels; `clean` says whether the task has it."""
    if answer in known or answer == NONE_APPLIES or set(answer.split(JOINT)) <= set(known):
        return True
    return answer.startswith("[") and FORMS[TOKEN_LABELS].fault(answer, "", known) is None


def join_labels(labels: Sequence[str]) -> str:
    """Return the answer of several labels, which are in order."""
    return JOINT.join(labels) if labels else NONE_APPLIES


FORMS: Mapping[TaskName, AnswerForm] = {
    SINGLE_LABEL: OneLabel(),
    ORDINAL: OneLabel(),
    MULTI_LABEL: AnyLabels(),
    TOKEN_LABELS: Entities(),
    ASPECT: OneLabel(),
    GENERATION: WrittenText(),
}


def answer_form(task: TaskName) -> AnswerForm:
    """Return the form of the answers of a task."""
    return FORMS[task]


def writes_texts(task: TaskName) -> bool:
    """Return whether the answers of a task are texts of their own."""
    return answer_form(task).is_written


def answer_column(task: TaskName) -> str:
    """Return the name of the column of answers in what a registered model returns."""
    return "generated" if writes_texts(task) else "label"


def are_comparable(task: TaskName, other: TaskName) -> bool:
    """Return whether the answers of two tasks are about the same texts, and of one kind."""
    one_label = answer_form(task).one_label and answer_form(other).one_label
    return task == other or (one_label and reads_targets(task) == reads_targets(other))
