"""The score by which models of a task are compared: its key in documents, and its name for people.

It is macro F1 of labels. A model that writes has no labels: there it is the log-likelihood of a token of the
references, in nats.
"""

from collections.abc import Mapping
from typing import Any, Literal, cast

from pipeline.base.tasks.answers import writes_texts
from pipeline.base.tasks.names import TaskName

ScoreKey = Literal["macro_f1", "log_likelihood"]
MACRO_F1: ScoreKey = "macro_f1"
LOG_LIKELIHOOD: ScoreKey = "log_likelihood"
TITLES: Mapping[ScoreKey, str] = {MACRO_F1: "macro F1", LOG_LIKELIHOOD: "log-likelihood per token"}
# What a report of an early version lacks is None in a card, whatever its key.
Document = Mapping[str, Any]


def valid_score(task: TaskName) -> str:
    """Return the name of the figure that says what a training reached on the validation split."""
    return f"valid_{LOG_LIKELIHOOD if writes_texts(task) else MACRO_F1}"


def score_key(document: object) -> ScoreKey:
    """Return under which key a document holds the score; one that holds none is of labels."""
    found = cast(Document, document) if isinstance(document, Mapping) else {}
    return LOG_LIKELIHOOD if found.get(LOG_LIKELIHOOD) is not None else MACRO_F1


def score_of(document: object) -> Any:
    """Return the score that a document holds, None where it holds none: a number, or a difference of two."""
    return cast(Document, document).get(score_key(document))


def score_head(document: object) -> str:
    """Return the name of the score as a sentence begins with it."""
    title = score_title(document)
    return title[0].upper() + title[1:]


def score_interval(scores: object) -> Any:
    """Return the interval [low, high] of the score of a model, None where it has none."""
    return (cast(Document, scores).get("intervals") or {}).get(score_key(scores))


def drop_of(variant: object, kind: Literal["drop", "drop_bound"] = "drop") -> Any:
    """Return by how much less the score of a variant is than that of its teacher, or the bound of that."""
    return cast(Document, variant).get(f"{score_key(variant)}_{kind}")


def score_title(document: object) -> str:
    """Return the name of the score that a document holds."""
    return TITLES[score_key(document)]
