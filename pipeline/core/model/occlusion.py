"""Which words an answer rests on: each is left out in turn, and the answer's probability falls or rises.

Occlusion (Zeiler and Fergus, 2014), word by word (Li, Monroe and Jurafsky, 2016). It asks the model that serves, and no other.
"""

from dataclasses import dataclass

from pipeline.core.clean.rules import clean_text
from pipeline.core.model.predictor import Predictor


@dataclass(frozen=True)
class WordImportance:
    """Hold one word of a cleaned text, and by how much the label's probability falls without it."""

    word: str
    weight: float


@dataclass(frozen=True)
class Explanation:
    """Hold the label of a text, all its probabilities, its words, and how many further words were not left out."""

    label: str
    uncertain: bool
    probabilities: dict[str, float]
    words: tuple[WordImportance, ...]
    further: int


def explain_by_occlusion(predictor: Predictor, text: str, *, most: int) -> Explanation:
    """Answer a text, and leave out each of its first `most` words in turn; all in one call of the predictor.

    A weight above zero speaks for the label, one below against it. Words stand alone here: of two that only matter together,
    each gets all of what both are worth.
    """
    cleaned = clean_text(text)[0]
    words = cleaned.split()
    tried = words[:most]
    without = [" ".join(words[:place] + words[place + 1 :]) for place in range(len(tried))]
    answers = predictor.predict_cleaned([cleaned, *without])
    label = predictor.labels.index(answers.labels[0])
    chances = answers.probabilities[:, label].tolist()
    return Explanation(
        label=answers.labels[0],
        uncertain=answers.uncertain[0],
        probabilities=dict(zip(predictor.labels, answers.probabilities[0].tolist(), strict=True)),
        words=tuple(
            WordImportance(word, chances[0] - chance) for word, chance in zip(tried, chances[1:], strict=True)
        ),
        further=len(words) - len(tried),
    )
