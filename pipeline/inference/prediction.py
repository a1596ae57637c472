"""The prediction for one text, the same on the command line, in a scored table and in the service."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

from pipeline.base.labels import UNCERTAIN
from pipeline.base.tasks import TaskName, answer_form
from pipeline.base.tasks.spans import Span, load_spans

if TYPE_CHECKING:
    from pipeline.core.model.predictor import Predictions

PROBABILITY_DIGITS = 6


class EntitySpan(TypedDict):
    """An entity of a text: the characters from `start` up to `end`, without it, their label and the text."""

    start: int
    end: int
    label: str
    text: str


class PredictionItems(TypedDict):
    """What an answer is that is more than one label: `labels`, `spans` or a `generated` text, by the task."""

    labels: NotRequired[list[str]]
    spans: NotRequired[list[EntitySpan]]
    generated: NotRequired[str]


@dataclass(frozen=True)
class Prediction:
    """Hold the prediction for one text.

    `best` is the label with the highest probability, `label` is that or `uncertain` where its probability is
    too low, `cut` whether the text has more tokens than the model reads. Where a text has several labels
    or entities, `best` is all of them as one string, and `items_of` takes it apart; where a model writes, it
    is what was written.
    """

    label: str
    best: str
    uncertain: bool
    cut: bool
    probabilities: dict[str, float]


def items_of(best: str, text: str, task: TaskName) -> PredictionItems:
    """Return the items of the answer for a text as it was sent; empty for tasks of one label."""
    name = items_name(task)
    if name == "spans":
        return {"spans": [_entity(span, text) for span in load_spans(best)]}
    if name == "generated":
        return {"generated": best}
    return {"labels": list(answer_form(task).labels_of(best))} if name else {}


def items_name(task: TaskName) -> Literal["labels", "spans", "generated"] | None:
    """Return under which name the items of an answer go, None for tasks of one label."""
    form = answer_form(task)
    if form.one_label:
        return None
    if form.is_written:
        return "generated"
    return "spans" if form.has_places else "labels"


def prediction_of(
    predictions: "Predictions", row: int, *, labels: Sequence[str], answer: str | None = None
) -> Prediction:
    """Return what a predictor with these labels predicts for one row; probabilities are rounded.

    `answer` is that of the text as it was sent, where it differs from that of the cleaned one.
    """
    best, uncertain = answer or predictions.labels[row], predictions.uncertain[row]
    rounded = (round(value, PROBABILITY_DIGITS) for value in predictions.probabilities[row].tolist())
    return Prediction(
        label=UNCERTAIN if uncertain else best,
        best=best,
        uncertain=uncertain,
        cut=predictions.cut[row],
        probabilities=dict(zip(labels, rounded, strict=True)),
    )


def _entity(span: Span, text: str) -> EntitySpan:
    return {"start": span.start, "end": span.end, "label": span.label, "text": text[span.start : span.end]}
