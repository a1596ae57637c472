"""A bounded attack on single characters: the worst of a few tries at each text."""

import random
from collections.abc import Sequence
from typing import Any

from pipeline.config.judging import AttackConfig
from pipeline.evaluate import metrics, typos
from pipeline.evaluate.behaviour import Answer
from pipeline.seeds import seed_for


def attack(texts: Sequence[str], truth: Sequence[int], answer: Answer, *, cfg: AttackConfig, seed: int) -> dict[str, Any]:
    """Measure macro F1 of a sample of texts before and after the attack.

    In each of `tries` attempts up to `edits` words of a text get one slip each (`typos.SLIPS`); a text whose right answer any attempt
    turns wrong counts with the first wrong answer. Wrong answers stay as they are: there is nothing to win.
    `answer` gives the probabilities of texts (NxL) and is called twice; `truth` holds labels by their index.
    """
    chance = random.Random(seed_for(seed, "evaluate", "attack"))
    drawn = sorted(chance.sample(range(len(texts)), min(cfg.texts, len(texts))))
    sample, true = [texts[place] for place in drawn], [truth[place] for place in drawn]
    table_NL = answer(sample)
    before = table_NL.argmax(axis=1).tolist()
    right = [place for place, guess in enumerate(before) if guess == true[place]]
    attempts = [(place, attempt(sample[place], cfg.edits, chance)) for place in right for _ in range(cfg.tries)]
    after = list(before)
    if attempts:
        guesses = answer([text for _, text in attempts]).argmax(axis=1).tolist()
        for (place, _), guess in zip(attempts, guesses, strict=True):
            if after[place] == true[place]:
                after[place] = guess
    labels = table_NL.shape[1]
    was, became = (float(metrics.macro_f1(metrics.confusion(true, guess, labels=labels))) for guess in (before, after))
    bounds = {"texts": len(sample), "edits": cfg.edits, "tries": cfg.tries}
    return {**bounds, "macro_f1_before": was, "macro_f1_after": became, "fall": was - became}


def attempt(text: str, edits: int, chance: random.Random) -> str:
    """Give the text with one slip in each of up to `edits` words."""
    spans = typos.words(text)
    # From the end, so that the places of earlier words hold.
    for start, end in sorted(chance.sample(spans, min(edits, len(spans))), reverse=True):
        text = text[:start] + chance.choice(typos.SLIPS)(text[start:end], chance) + text[end:]
    return text
