"""A bounded attack on single characters: the worst of a few tries at each text."""

import random
from collections.abc import Sequence
from typing import Any

from pipeline.base.config.evaluate import AttackConfig
from pipeline.base.seeds import seed_for
from pipeline.core.evaluate import metrics, typos
from pipeline.core.evaluate.behaviour import Answer


def measure_attack(
    texts: Sequence[str], truth: Sequence[int], answer: Answer, *, cfg: AttackConfig, seed: int
) -> dict[str, Any]:
    """Measure macro F1 of a sample of texts before and after the attack.

    In each of `tries` attempts up to `edits` words of a text get one slip each (`typos.SLIPS`). The first attempt that turns a right
    answer wrong counts and is the last on that text; wrong answers stay as they are, since there is nothing to win.
    `answer` gives the probabilities of texts (NxL), `truth` holds labels by their index.
    """
    chance = random.Random(seed_for(seed, "evaluate", "attack"))
    drawn = sorted(chance.sample(range(len(texts)), min(cfg.texts, len(texts))))
    sample, true = [texts[place] for place in drawn], [truth[place] for place in drawn]
    table_NL = answer(sample)
    before = table_NL.argmax(axis=1).tolist()
    after = list(before)
    for _ in range(cfg.tries):
        standing = [place for place, guess in enumerate(after) if guess == true[place]]
        if not standing:
            break
        guesses = (
            answer([perturb(sample[place], cfg.edits, chance) for place in standing]).argmax(axis=1).tolist()
        )
        for place, guess in zip(standing, guesses, strict=True):
            after[place] = guess
    labels = table_NL.shape[1]
    was, became = (
        float(metrics.macro_f1(metrics.confusion(true, guess, labels=labels))) for guess in (before, after)
    )
    bounds = {"texts": len(sample), "edits": cfg.edits, "tries": cfg.tries}
    return {**bounds, "macro_f1_before": was, "macro_f1_after": became, "fall": was - became}


def perturb(text: str, edits: int, chance: random.Random) -> str:
    """Give the text with one slip in each of up to `edits` words."""
    spans = typos.typo_spans(text)
    # From the end, so that the places of earlier words hold.
    for start, end in sorted(chance.sample(spans, min(edits, len(spans))), reverse=True):
        text = text[:start] + chance.choice(typos.SLIPS)(text[start:end], chance) + text[end:]
    return text
