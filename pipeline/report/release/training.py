"""How a classifier was trained, in sentences of the card."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.base.documents import CostRecord, ReleaseRecord, TrainingRecord
from pipeline.base.tasks.scores import MACRO_F1, TITLES, score_key
from pipeline.report.formatting import baseline_name, integer, percent, score

# A smaller gain divides into a cost that says nothing.
LEAST_POINTS = 0.1


@dataclass(frozen=True)
class Gain:
    """Hold how much higher macro F1 is than that of a champion or a baseline on the same texts."""

    over: str
    macro_f1: float


def training_sentences(training: TrainingRecord | None, gain: Gain | None = None) -> list[str]:
    """Say which weights were trained, how far seeds lie apart, and the cost; nothing of an older record."""
    return [*_method(training), *_seeds(training), *_cost(training, gain)] if training else []


def gain_of(release: ReleaseRecord) -> Gain | None:
    """Return what a release gains on the same texts: against the champion, else the best baseline.

    Returns none where the score is another than macro F1.
    """
    if score_key(release.get("metrics")) != MACRO_F1:
        return None
    if comparison := release.get("comparison"):
        return Gain(str(comparison["champion"]), comparison["macro_f1"]["difference"])
    baselines = {name: scores["macro_f1"] for name, scores in (release.get("baselines") or {}).items()}
    if not baselines:
        return None
    best = max(baselines, key=lambda name: baselines[name])
    return Gain(f"the baseline {baseline_name(best)}", release["metrics"]["macro_f1"] - baselines[best])


def _cost(training: TrainingRecord, gain: Gain | None) -> Iterator[str]:
    cost = training.get("cost")
    if cost is None or not cost["stages"]:
        return
    yield (
        f"Its {integer(cost['stages'])} stages took {integer(round(cost['seconds'] / 60))} min, or "
        f"{cost['core_hours']:.2f} core hours, and {_labels(cost)}."
    )
    points = 100 * gain.macro_f1 if gain else 0.0
    if gain and points < LEAST_POINTS:
        yield f"Against {gain.over} they bring no point of macro F1."
    elif gain:
        more = cost["more_audit_labels"]
        labels = f" and {integer(round(more / points))} audit labels" if more is not None and more > 0 else ""
        yield (
            f"Against {gain.over} they bring {points:.1f} points of macro F1: "
            f"{cost['core_hours'] / points:.2f} core hours{labels} a point."
        )


def _labels(cost: CostRecord) -> str:
    if not cost["audit_labels"]:
        return "no label of an audit trains it"
    return f"{integer(cost['audit_labels'])} labels of audits train it"


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
