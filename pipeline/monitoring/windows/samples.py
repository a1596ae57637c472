"""Texts as the detectors of drift compare them: of a window, and of the reference of a release.

Shapes: N texts, L labels.
"""

from collections.abc import Sequence
from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from pipeline.base.tasks import AnswerForm
from pipeline.base.tasks.items import carried_labels
from pipeline.core.monitor.detectors import WindowSample


class AnswerColumns(TypedDict):
    """What the answers of texts say; `carried` are 0 or 1 for each label, where a text may have several."""

    predicted: list[int]
    confidence: list[float]
    carried: NotRequired[list[list[int]]]


class SampleColumns(AnswerColumns):
    """The columns of a sample; `predicted` are label indices, `embedding` is empty for hashed texts."""

    request: list[str]
    position: list[int]
    words: list[int]
    unknown: list[float]
    lang: list[str]
    embedding: list[list[float]]


def answer_columns(
    form: AnswerForm, answers: Sequence[str], probabilities_NL: NDArray[np.float64], labels: Sequence[str]
) -> AnswerColumns:
    """Return what the answers of a release say, which knows these labels.

    Of several labels a text's `predicted` is the most probable one that it has, and the number of labels
    where it has none; its confidence is the probability of the least certain decision about any of them.
    """
    if form.one_label:
        return {
            "predicted": [labels.index(answer) for answer in answers],
            "confidence": probabilities_NL.max(axis=1).tolist(),
        }
    carried_NL = np.zeros((len(answers), len(labels)), dtype=np.int64)
    for row, answer in enumerate(answers):
        carried_NL[row, [labels.index(label) for label in carried_labels(form, answer)]] = 1
    most_N = np.where(carried_NL > 0, probabilities_NL, -1.0).argmax(axis=1)
    return {
        "predicted": np.where(carried_NL.any(axis=1), most_N, len(labels)).tolist(),
        "confidence": np.maximum(probabilities_NL, 1 - probabilities_NL).min(axis=1).tolist(),
        "carried": carried_NL.tolist(),
    }


def build_sample(columns: SampleColumns, labels: Sequence[str]) -> WindowSample:
    """Build the sample that detectors compare from its columns."""
    carried = {}
    if "carried" in columns:
        carried_NL = np.array(columns["carried"], dtype=bool).reshape(-1, len(labels))
        carried = {label: carried_NL[:, place] for place, label in enumerate(labels)}
    return WindowSample(
        predicted=np.array(columns["predicted"], dtype=np.int64),
        confidence=np.array(columns["confidence"], dtype=np.float64),
        words=np.array(columns["words"], dtype=np.float64),
        unknown=np.array(columns["unknown"], dtype=np.float64),
        lang=np.array(columns["lang"], dtype=str),
        embedding=np.array(columns["embedding"], dtype=np.float64) if columns["embedding"] else None,
        request=tuple(columns["request"]),
        position=tuple(columns["position"]),
        carried=carried,
    )
