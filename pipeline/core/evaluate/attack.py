"""A bounded character-level attack: the worst of a few attempts on each text."""

import random
from collections.abc import Sequence

from pipeline.base.config.evaluate import AttackConfig
from pipeline.base.documents import AttackReport
from pipeline.base.seeds import seed_for
from pipeline.core.evaluate import metrics, typos
from pipeline.core.evaluate.behaviour import PredictProbabilities


def measure_attack(
    texts: Sequence[str],
    truth: Sequence[int],
    predict: PredictProbabilities,
    *,
    cfg: AttackConfig,
    seed: int,
) -> AttackReport:
    """Measure macro F1 of a sample of texts before and after the attack.

    Each of `tries` attempts makes one typo (`typos.TYPOS`) in up to `edits` words of every text that is still
    predicted correctly. The first attempt that makes the prediction wrong is the last on that text.
    """
    generator = random.Random(seed_for(seed, "evaluate", "attack"))
    rows = sorted(generator.sample(range(len(texts)), min(cfg.texts, len(texts))))
    sample, sample_truth = [texts[row] for row in rows], [truth[row] for row in rows]
    probabilities_NL = predict(sample)
    before = probabilities_NL.argmax(axis=1).tolist()
    after = list(before)
    for _ in range(cfg.tries):
        correct = [row for row, label in enumerate(after) if label == sample_truth[row]]
        if not correct:
            break
        attacked = [perturb(sample[row], cfg.edits, generator) for row in correct]
        for row, label in zip(correct, predict(attacked).argmax(axis=1).tolist(), strict=True):
            after[row] = label
    labels = probabilities_NL.shape[1]
    f1_before, f1_after = (
        float(metrics.macro_f1(metrics.confusion(sample_truth, predicted, labels=labels)))
        for predicted in (before, after)
    )
    return {
        "texts": len(sample),
        "edits": cfg.edits,
        "tries": cfg.tries,
        "macro_f1_before": f1_before,
        "macro_f1_after": f1_after,
        "fall": f1_before - f1_after,
    }


def perturb(text: str, edits: int, generator: random.Random) -> str:
    """Return the text with a typo in each of up to `edits` words."""
    spans = typos.typo_spans(text)
    # From the end, so that the spans of earlier words stay valid.
    for start, end in sorted(generator.sample(spans, min(edits, len(spans))), reverse=True):
        text = text[:start] + generator.choice(typos.TYPOS)(text[start:end], generator) + text[end:]
    return text
