"""What a model must be able to do, tried on texts made from templates (CheckList; Ribeiro et al., 2020)."""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config.evaluate import ADDITION, PLACEHOLDER, Ability, BehaviourConfig
from pipeline.base.seeds import seed_for
from pipeline.core.evaluate import typos

Answer = Callable[[Sequence[str]], NDArray[np.float64]]
Words = dict[str, tuple[str, ...]]

# More than the last digits of a float: any true rise of a probability counts.
MIN_RISE = 1e-6
EXAMPLES = 5
# Of each template; chosen from however many there are.
MOST_WAYS = 10_000
MARKS = ".,;:!?"
# How a text may end without another tone; "!" and "..." have one.
TRAILS = ("..", " .", ",", ";")


@dataclass(frozen=True)
class Case:
    """Hold one trial: the plain text, for a change the changed one after it, and the label asked for, if any."""

    ability: str
    kind: str
    texts: tuple[str, ...]
    expect: str | None


def make_cases(cfg: BehaviourConfig, seed: int) -> list[Case]:
    """Fill the templates, equal seeds alike: up to `max_cases` of each ability, none twice, templates taking turns."""
    made: list[Case] = []
    for ability in cfg.abilities:
        rows = [
            _of_template(
                template,
                ability,
                cfg.words,
                random.Random(seed_for(seed, "behaviour", ability.name, template)),
            )
            for template in ability.templates
        ]
        made += _in_turns(rows, cfg.max_cases)
    return made


def measure_abilities(
    tried: Sequence[Case], answer: Answer, labels: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Give each ability's pass rate and the first failures; `answer` is called once, with each text once, for probabilities NxL."""
    texts = list(dict.fromkeys(text for case in tried for text in case.texts))
    row_of = dict(zip(texts, answer(texts), strict=True)) if texts else {}
    found: dict[str, dict[str, Any]] = {}
    for case in tried:
        rows = [row_of[text] for text in case.texts]
        entry = found.setdefault(
            case.ability, {"kind": case.kind, "cases": 0, "passed": 0, "pass_rate": 0.0, "examples": []}
        )
        entry["cases"] += 1
        if case_passes(case, rows, labels):
            entry["passed"] += 1
        elif len(entry["examples"]) < EXAMPLES:
            entry["examples"].append(
                {"texts": list(case.texts), "labels": [labels[int(row.argmax())] for row in rows]}
            )
        entry["pass_rate"] = entry["passed"] / entry["cases"]
    return found


def case_passes(case: Case, rows: Sequence[NDArray[np.float64]], labels: Sequence[str]) -> bool:
    """Judge one case by the probabilities of its texts."""
    plain, last = rows[0], rows[-1]
    if case.expect is None:
        return bool(plain.argmax() == last.argmax())
    wanted = labels.index(case.expect)
    if case.kind == "minimum":
        return bool(last.argmax() == wanted)
    return bool(last[wanted] - plain[wanted] > MIN_RISE)


def _in_turns(rows: Sequence[Iterator[Case]], number: int) -> list[Case]:
    """Take cases from each template in turn, until there are enough or no template has another."""
    taken: dict[tuple[str, ...], Case] = {}
    waiting = list(rows)
    while waiting and len(taken) < number:
        for row in list(waiting):
            case = next((case for case in row if case.texts not in taken), None)
            if case is None:
                waiting.remove(row)
            elif len(taken) < number:
                taken[case.texts] = case
    return list(taken.values())


def _of_template(template: str, ability: Ability, words: Words, chance: random.Random) -> Iterator[Case]:
    """Yield a case for each filling of a template, in random order; a filling that the change leaves as it is gives none."""
    nouns = list(dict.fromkeys(PLACEHOLDER.findall(template)))
    ways = math.prod(len(words[noun]) for noun in nouns)
    for way in chance.sample(range(ways), min(ways, MOST_WAYS)):
        chosen = {}
        for noun in nouns:
            way, index = divmod(way, len(words[noun]))
            chosen[noun] = words[noun][index]
        texts = _texts(template, chosen, ability.change, words, chance)
        if len(set(texts)) == len(texts):
            yield Case(ability.name, ability.kind, texts, ability.expect)


def _texts(
    template: str, chosen: dict[str, str], change: str | None, words: Words, chance: random.Random
) -> tuple[str, ...]:
    plain = _filled(ADDITION.sub("", template), chosen)
    if change is None:
        return (plain,)
    if change == "addition":
        return plain, _filled(ADDITION.sub(r"\1", template), chosen)
    if change == "names":
        others = [name for name in words["name"] if name != chosen["name"]]
        return plain, _filled(template, chosen | {"name": chance.choice(others)})
    if change == "emoji":
        return plain, f"{plain} {chance.choice(words['emoji'])}"
    return plain, CHANGES[change](plain, chance)


def _filled(template: str, chosen: dict[str, str]) -> str:
    return PLACEHOLDER.sub(lambda blank: chosen[blank[1]], template)


def _typo(text: str, chance: random.Random) -> str:
    spans = typos.typo_spans(text)
    for start, end in chance.sample(spans, len(spans)):
        slipped = typos.swap(text[start:end], chance)
        if slipped != text[start:end]:
            return text[:start] + slipped + text[end:]
    return text


def _case(text: str, chance: random.Random) -> str:
    return chance.choice([other for other in (text.upper(), text.lower()) if other != text] or [text])


def _punctuation(text: str, chance: random.Random) -> str:
    bare = text.translate(dict.fromkeys(map(ord, MARKS)))
    others = [bare, *(text.rstrip(MARKS) + trail for trail in TRAILS)]
    return chance.choice([other for other in others if other != text])


CHANGES: dict[str, Callable[[str, random.Random], str]] = {
    "typos": _typo,
    "case": _case,
    "punctuation": _punctuation,
}
