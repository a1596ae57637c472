"""Behaviour suites: test abilities on texts made from templates (CheckList; Ribeiro et al., 2020)."""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config.evaluate import ADDITION, PLACEHOLDER, Ability, BehaviourConfig
from pipeline.base.documents import AbilityReport
from pipeline.base.seeds import seed_for
from pipeline.base.tasks import join_labels
from pipeline.core.evaluate import significance, typos

# Texts to probabilities (texts x labels).
PredictProbabilities = Callable[[Sequence[str]], NDArray[np.float64]]
# Texts to the labels that each of them gets.
PredictLabels = Callable[[Sequence[str]], Sequence[tuple[str, ...]]]
Words = dict[str, tuple[str, ...]]

# Above rounding errors: any real rise of a probability counts.
MIN_RISE = 1e-6
EXAMPLES = 5
# At most so many fillings of each template are drawn.
MAX_FILLINGS = 10_000
MARKS = ".,;:!?"
# Endings that do not change the sentiment, as "!" and "..." do.
ENDINGS = ("..", " .", ",", ";")


@dataclass(frozen=True)
class Case:
    """Hold one case: the plain text, the changed one if there is one, and the expected label if any."""

    ability: str
    kind: str
    texts: tuple[str, ...]
    expect: str | None


def make_cases(cfg: BehaviourConfig, seed: int) -> list[Case]:
    """Fill the templates in turn: up to `max_cases` of each ability, none twice, the same for a seed."""
    cases: list[Case] = []
    for ability in cfg.abilities:
        by_template = [
            _of_template(
                template,
                ability,
                cfg.words,
                random.Random(seed_for(seed, "behaviour", ability.name, template)),
            )
            for template in ability.templates
        ]
        cases += _in_turns(by_template, cfg.max_cases)
    return cases


def measure_abilities(
    cases: Sequence[Case],
    predict: PredictProbabilities,
    labels: Sequence[str],
    *,
    confidence: float,
    label_sets: PredictLabels | None = None,
) -> dict[str, AbilityReport]:
    """Measure the pass rate of each ability; `predict` is called once, with each text once.

    `label_sets` predicts the labels of texts that may have several; by default it is the most probable one.
    """
    reports: dict[str, AbilityReport] = {}
    for case, rows, predicted in _predicted(cases, predict, labels, label_sets):
        report = reports.setdefault(
            case.ability, {"kind": case.kind, "cases": 0, "passed": 0, "pass_rate": 0.0, "examples": []}
        )
        report["cases"] += 1
        if case_passes(case, rows, labels, predicted):
            report["passed"] += 1
        elif len(report["examples"]) < EXAMPLES:
            named = [join_labels(one) for one in predicted]
            report["examples"].append({"texts": list(case.texts), "labels": named})
        report["pass_rate"] = report["passed"] / report["cases"]
    for report in reports.values():
        low, high = significance.share_interval(report["passed"], report["cases"], confidence=confidence)
        report["low"], report["high"] = low, high
    return reports


def passed_cases(
    cases: Sequence[Case],
    predict: PredictProbabilities,
    labels: Sequence[str],
    label_sets: PredictLabels | None = None,
) -> dict[str, NDArray[np.bool_]]:
    """Return of each ability which of its cases pass, in the order of the cases."""
    passed: dict[str, list[bool]] = {}
    for case, rows, predicted in _predicted(cases, predict, labels, label_sets):
        passed.setdefault(case.ability, []).append(case_passes(case, rows, labels, predicted))
    return {ability: np.array(values) for ability, values in passed.items()}


def case_passes(
    case: Case,
    rows: Sequence[NDArray[np.float64]],
    labels: Sequence[str],
    predicted: Sequence[tuple[str, ...]] | None = None,
) -> bool:
    """Return whether a case passes, by the probabilities of its texts and the labels predicted for them.

    With the minimum the expected label must be one of them; by default that is the most probable one.
    """
    plain, last = rows[0], rows[-1]
    predicted = predicted or [most_probable(row, labels) for row in rows]
    if case.expect is None:
        return predicted[0] == predicted[-1]
    if case.kind == "minimum":
        return case.expect in predicted[-1]
    expected = labels.index(case.expect)
    return bool(last[expected] - plain[expected] > MIN_RISE)


def most_probable(row: NDArray[np.float64], labels: Sequence[str]) -> tuple[str, ...]:
    """Return the most probable label alone."""
    return (labels[int(row.argmax())],)


def _predicted(
    cases: Sequence[Case],
    predict: PredictProbabilities,
    labels: Sequence[str],
    label_sets: PredictLabels | None,
) -> Iterator[tuple[Case, list[NDArray[np.float64]], list[tuple[str, ...]]]]:
    texts = list(dict.fromkeys(text for case in cases for text in case.texts))
    rows = predict(texts) if texts else ()
    probabilities = dict(zip(texts, rows, strict=True))
    found = label_sets(texts) if label_sets and texts else [most_probable(row, labels) for row in rows]
    predicted = dict(zip(texts, found, strict=True))
    for case in cases:
        yield case, [probabilities[text] for text in case.texts], [predicted[text] for text in case.texts]


def _in_turns(by_template: Sequence[Iterator[Case]], count: int) -> list[Case]:
    """Select cases from each template in turn, until there are enough or no template has another."""
    selected: dict[tuple[str, ...], Case] = {}
    remaining = list(by_template)
    while remaining and len(selected) < count:
        for cases in list(remaining):
            case = next((case for case in cases if case.texts not in selected), None)
            if case is None:
                remaining.remove(cases)
            elif len(selected) < count:
                selected[case.texts] = case
    return list(selected.values())


def _of_template(template: str, ability: Ability, words: Words, generator: random.Random) -> Iterator[Case]:
    """Yield a case for each filling of a template that the change alters, in random order."""
    nouns = list(dict.fromkeys(PLACEHOLDER.findall(template)))
    fillings = math.prod(len(words[noun]) for noun in nouns)
    for number in generator.sample(range(fillings), min(fillings, MAX_FILLINGS)):
        filling, rest = {}, number
        for noun in nouns:
            rest, index = divmod(rest, len(words[noun]))
            filling[noun] = words[noun][index]
        texts = _texts(template, filling, ability.change, words, generator)
        if len(set(texts)) == len(texts):
            yield Case(ability.name, ability.kind, texts, ability.expect)


def _texts(
    template: str, filling: dict[str, str], change: str | None, words: Words, generator: random.Random
) -> tuple[str, ...]:
    plain = _filled(ADDITION.sub("", template), filling)
    if change is None:
        return (plain,)
    if change == "addition":
        return plain, _filled(ADDITION.sub(r"\1", template), filling)
    if change == "names":
        others = [name for name in words["name"] if name != filling["name"]]
        return plain, _filled(template, filling | {"name": generator.choice(others)})
    if change == "emoji":
        return plain, f"{plain} {generator.choice(words['emoji'])}"
    return plain, CHANGES[change](plain, generator)


def _filled(template: str, filling: dict[str, str]) -> str:
    return PLACEHOLDER.sub(lambda match: filling[match[1]], template)


def _typo(text: str, generator: random.Random) -> str:
    spans = typos.typo_spans(text)
    for start, end in generator.sample(spans, len(spans)):
        word = typos.swap(text[start:end], generator)
        if word != text[start:end]:
            return text[:start] + word + text[end:]
    return text


def _case(text: str, generator: random.Random) -> str:
    return generator.choice([other for other in (text.upper(), text.lower()) if other != text] or [text])


def _punctuation(text: str, generator: random.Random) -> str:
    bare = text.translate(dict.fromkeys(map(ord, MARKS)))
    others = [bare, *(text.rstrip(MARKS) + ending for ending in ENDINGS)]
    return generator.choice([other for other in others if other != text])


CHANGES: dict[str, Callable[[str, random.Random], str]] = {
    "typos": _typo,
    "case": _case,
    "punctuation": _punctuation,
}
