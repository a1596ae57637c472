"""How a classifier was trained, in sentences of the card."""

import statistics
from collections.abc import Iterator

from pipeline.base.documents import TrainingRecord
from pipeline.base.documents.scores import MACRO_F1, TITLES
from pipeline.report.formatting import integer, percent, score


def training_sentences(training: TrainingRecord | None) -> list[str]:
    """Say which weights were trained, and how far the seeds lie apart; nothing of an older record."""
    return [*_method(training), *_seeds(training)] if training else []


def _method(training: TrainingRecord) -> Iterator[str]:
    trained, of = training["trained"], training["parameters"]
    yield (
        f"Fine-tuned by the method {training['method']}, which trains {integer(trained)} weights for "
        f"{integer(of)} saved ones ({percent(trained / of, 1)}): {_name(training)} "
        f"{score(training['score'])} on the validation split, which also chose the step."
    )


def _name(training: TrainingRecord) -> str:
    """Return what the score is: a record that does not say has macro F1."""
    key = (training.get("name") or "").removeprefix("valid_")
    return next((title for name, title in TITLES.items() if name == key), TITLES[MACRO_F1])


def _seeds(training: TrainingRecord) -> Iterator[str]:
    scores = sorted(training["seeds"].values())
    if len(scores) > 1:
        yield (
            f"Over {integer(len(scores))} seeds it is {score(statistics.median(scores))} in the median, from "
            f"{score(scores[0])} to {score(scores[-1])}, with a standard deviation of "
            f"{score(statistics.stdev(scores))}: what chance in the training alone does."
        )
