"""A bounded character-level attack: the worst of a few attempts on each text."""

import random
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pipeline.base.config.evaluate import AttackConfig
from pipeline.base.documents import AttackReport
from pipeline.base.seeds import seed_for
from pipeline.base.tasks.targets import without_target
from pipeline.core.evaluate import bootstrap, typos
from pipeline.core.evaluate.metrics import Tallied
from pipeline.core.evaluate.paired_bootstrap import PairedPredictions, paired_metrics

Answer = TypeVar("Answer", bound=Hashable)


@dataclass(frozen=True)
class AttackedTexts(Generic[Answer]):
    """The sample that was attacked: rows of the test set, truth, and predictions before and after it."""

    rows: Sequence[int]
    truth: Sequence[Answer]
    before: Sequence[Answer]
    after: Sequence[Answer]


def attack(
    texts: Sequence[str],
    truth: Sequence[Answer],
    predict: Callable[[Sequence[str]], Sequence[Answer]],
    *,
    cfg: AttackConfig,
    seed: int,
) -> AttackedTexts[Answer]:
    """Attack a sample of texts: typos that make the predictions wrong.

    Each of `tries` attempts makes one typo (`typos.TYPOS`) in up to `edits` words of every text that is still
    predicted correctly. The first attempt that makes the prediction wrong is the last on that text.
    """
    generator = random.Random(seed_for(seed, "evaluate", "attack"))
    rows = sorted(generator.sample(range(len(texts)), min(cfg.texts, len(texts))))
    sample, sample_truth = [texts[row] for row in rows], [truth[row] for row in rows]
    before = list(predict(sample))
    after = list(before)
    for _ in range(cfg.tries):
        correct = [row for row, label in enumerate(after) if label == sample_truth[row]]
        if not correct:
            break
        attacked = [perturb(sample[row], cfg.edits, generator) for row in correct]
        for row, label in zip(correct, predict(attacked), strict=True):
            after[row] = label
    return AttackedTexts(rows, sample_truth, before, after)


def attack_report(
    attacked: AttackedTexts[int],
    labels: Sequence[str],
    *,
    cfg: AttackConfig,
    sampling: bootstrap.BootstrapConfig,
    items: Tallied | None = None,
) -> AttackReport:
    """Measure macro F1 before and after the attack, and the interval of its fall."""
    rows = range(len(attacked.truth))
    ids = [str(row) for row in rows]
    pair = PairedPredictions(ids, attacked.truth, attacked.before, attacked.after, rows, items)
    (fall, *_) = paired_metrics(pair, {}, labels, resamples=sampling.resamples, seed=sampling.seed)
    low, high = bootstrap.percentile_interval(fall.differences_B, confidence=sampling.confidence)
    return {
        "texts": len(rows),
        "edits": cfg.edits,
        "tries": cfg.tries,
        "macro_f1_before": fall.candidate,
        "macro_f1_after": fall.champion,
        "fall": fall.difference,
        "low": low,
        "high": high,
    }


def perturb(text: str, edits: int, generator: random.Random) -> str:
    """Return the text with a typo in each of up to `edits` words; a target stays as it is."""
    spans = typos.typo_spans(without_target(text))
    # From the end, so that the spans of earlier words stay valid.
    for start, end in sorted(generator.sample(spans, min(edits, len(spans))), reverse=True):
        text = text[:start] + generator.choice(typos.TYPOS)(text[start:end], generator) + text[end:]
    return text
