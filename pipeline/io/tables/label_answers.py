"""What people answered in a row of Label Studio, of Argilla or of a table: labels, or entities with places.

Where a text may have several labels, an answer that was sent without any says that none applies; a cell that
is empty says nothing. A row of one label is read as it always was: each of its choices is an answer.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pipeline.base.labels import EMPTY_SETS
from pipeline.base.tasks import AnswerForm, join_labels
from pipeline.base.tasks.spans import Span, dump_spans

# The label's column: ours, and what Label Studio calls the choice of its templates.
LABEL_COLUMNS = ("label", "labels", "sentiment", "choice", "spans")
ONE_LABEL_COLUMNS = ("label", "sentiment", "choice")
ANSWER_KEYS = ("annotations", "responses", "annotation_id", *LABEL_COLUMNS)


class QuotedSpan(NamedTuple):
    """Hold an entity as a tool wrote it, with the text that it shows there, empty where it shows none."""

    span: Span
    text: str


@dataclass(frozen=True)
class GivenAnswer:
    """Hold an answer and who gave it; `fault` is why it cannot be read, empty where it can."""

    label: str
    annotator: str
    spans: tuple[QuotedSpan, ...] = ()
    fault: str = ""


def given_answers(row: Mapping[str, Any], form: AnswerForm) -> Iterator[GivenAnswer]:
    """Yield each answer in a row, in the form of the task."""
    for values, annotator in _answers(row, form):
        if form.one_label:
            yield from (GivenAnswer(one, annotator) for value in values for one in _choices(value))
        elif form.has_places:
            yield _entities(values, annotator)
        else:
            labels = [one for value in values for one in _choices(_parsed(value))]
            yield GivenAnswer(join_labels(list(dict.fromkeys(labels))), annotator)


def _answers(row: Mapping[str, Any], form: AnswerForm) -> Iterator[tuple[list[Any], str]]:
    """Yield the values of each person's answer; where a task may have none, they may be empty."""
    if isinstance(row.get("annotations"), list):
        for annotation in row["annotations"]:
            if isinstance(annotation, Mapping) and not annotation.get("was_cancelled"):
                results = [one for one in annotation.get("result") or () if isinstance(one, Mapping)]
                yield [one.get("value") for one in results], _annotator(annotation.get("completed_by"))
    elif "responses" in row:
        for response in _responses(row["responses"]):
            if response.get("status", "submitted") == "submitted" and response.get("value") is not None:
                yield [response["value"]], _annotator(response.get("user_id"))
    else:
        columns = ONE_LABEL_COLUMNS if form.one_label else LABEL_COLUMNS
        value = next((row[name] for name in columns if row.get(name) not in (None, "", ())), None)
        # A flat row of Label Studio has no such column where nothing was chosen.
        if value is not None or row.get("annotation_id"):
            yield [] if value is None else [value], _annotator(row.get("annotator"))


def _responses(responses: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the responses of an Argilla record: by question, or a list with the values of each person."""
    by_question = responses.values() if isinstance(responses, Mapping) else [responses]
    for one in (one for answers in by_question if isinstance(answers, list) for one in answers):
        if isinstance(one, Mapping):
            values = one.get("values")
            nested = values.values() if isinstance(values, Mapping) else [one]
            for answer in nested:
                if isinstance(answer, Mapping):
                    yield {**one, "value": answer.get("value")}


def _choices(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        value = value.get("choices")
    values = value if isinstance(value, list) else [value]
    return [one.strip() for one in values if isinstance(one, str) and one.strip()]


def _parsed(value: Any) -> Any:
    """Return what a cell holds: in a CSV, Label Studio writes several choices and entities as JSON."""
    if isinstance(value, str) and value.strip() in EMPTY_SETS:
        return []
    if isinstance(value, str) and value.strip().startswith(("{", "[")):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _entities(values: list[Any], annotator: str) -> GivenAnswer:
    spans = []
    for value in map(_parsed, values):
        for one in value if isinstance(value, list) else [value]:
            span = _span(one)
            if span is None:
                fault = f"{json.dumps(one, ensure_ascii=False)[:60]} is no entity: write start, end and label"
                return GivenAnswer("", annotator, fault=fault)
            spans.append(span)
    return GivenAnswer(dump_spans(one.span for one in spans), annotator, tuple(spans))


def _span(value: Any) -> QuotedSpan | None:
    if not isinstance(value, Mapping):
        return None
    label, start, end = value.get("label"), value.get("start"), value.get("end")
    labels = value.get("labels")
    if isinstance(labels, list) and len(labels) == 1:
        label = labels[0]
    whole = isinstance(start, int) and isinstance(end, int) and not {type(start), type(end)} & {bool}
    if not whole or not isinstance(label, str):
        return None
    return QuotedSpan(Span(int(start or 0), int(end or 0), label), str(value.get("text") or ""))


def _annotator(value: Any) -> str:
    if isinstance(value, Mapping):
        value = value.get("email") or value.get("id")
    return "" if value is None else str(value).strip()[:200]
