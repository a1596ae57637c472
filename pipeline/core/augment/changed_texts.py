"""Texts as other people would have typed them: with typos, in another case. Their answers stay.

Source: Wei and Zou, 2019 (EDA), who change words; here letters alone, so that no answer changes.
"""

import random
from collections.abc import Callable, Mapping

from pipeline.base.tasks.targets import split_target, with_target
from pipeline.core.evaluate.typos import TYPOS, typo_spans

Change = Callable[[str, random.Random], str]

# Of the words that are long enough for one; people misspell fewer, and fewer would change little.
TYPO_SHARE = 0.15
CASES: tuple[Callable[[str], str], ...] = (str.lower, str.upper, str.capitalize, str.title)


def with_typos(text: str, generator: random.Random) -> str:
    """Return a text with a typo in some words, at least one where a word is long enough."""
    spans = typo_spans(text)
    chosen = generator.sample(spans, max(1, round(TYPO_SHARE * len(spans)))) if spans else []
    # From the end on: a typo moves what follows.
    for start, end in sorted(chosen, reverse=True):
        text = text[:start] + generator.choice(TYPOS)(text[start:end], generator) + text[end:]
    return text


def in_another_case(text: str, generator: random.Random) -> str:
    """Return a text in capitals, without them, or with other ones; as it is where no letter has a case."""
    others = sorted({change(text) for change in CASES} - {text})
    return generator.choice(others) if others else text


CHANGES: Mapping[str, Change] = {"typos": with_typos, "case": in_another_case}


def changed(kind: str, text: str, generator: random.Random) -> str:
    """Return a text changed in one of the ways of `CHANGES`; a target in it stays as it is."""
    own, target = split_target(text)
    return with_target(CHANGES[kind](own, generator), target)
