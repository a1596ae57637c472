"""Explain a prediction by occlusion: the change of the label's probability when a word is left out.

Occlusion (Zeiler and Fergus, 2014), word by word (Li, Monroe and Jurafsky, 2016), with the model that serves.
"""

from dataclasses import dataclass
from typing import Literal

from pipeline.base.tasks.targets import split_target, with_target
from pipeline.core.model.predictor import Predictor

ExplanationMethod = Literal["occlusion", "gradients"]


@dataclass(frozen=True)
class WordImportance:
    """Hold a word of a cleaned text, and its importance for the label.

    By occlusion it is the drop of the label's probability without the word, by gradients the word's part of
    the label's logit.
    """

    word: str
    weight: float


@dataclass(frozen=True)
class Explanation:
    """Hold a prediction, the importance of its words by a method, and how many `further` words have none.

    `cut` says that the text has more than the `max_tokens` tokens that the model reads.
    """

    method: ExplanationMethod
    label: str
    uncertain: bool
    cut: bool
    max_tokens: int
    probabilities: dict[str, float]
    words: tuple[WordImportance, ...]
    further: int


def explain_by_occlusion(predictor: Predictor, text: str, *, most: int) -> Explanation:
    """Predict a text, and again without each of its first `most` words, in one call of the predictor.

    A positive weight supports the label, a negative one opposes it. Words are left out one at a time: of two
    words that matter only together, each gets the importance of both. A target stays.
    """
    cleaned = predictor.prepare(text)
    first, target = split_target(cleaned)
    words = first.split()
    rest = (" ".join(words[:place] + words[place + 1 :]) for place in range(min(most, len(words))))
    occluded = [with_target(text, target) for text in rest]
    predictions = predictor.predict_cleaned([cleaned, *occluded])
    # Of several labels the most probable one is explained.
    label = int(predictions.probabilities[0].argmax())
    probability, *without_word = predictions.probabilities[:, label].tolist()
    return Explanation(
        method="occlusion",
        label=predictions.labels[0],
        uncertain=predictions.uncertain[0],
        cut=predictions.cut[0],
        max_tokens=predictor.max_tokens,
        probabilities=dict(zip(predictor.labels, predictions.probabilities[0].tolist(), strict=True)),
        words=tuple(
            WordImportance(word, probability - other)
            for word, other in zip(words, without_word, strict=False)
        ),
        further=len(words) - len(occluded),
    )
