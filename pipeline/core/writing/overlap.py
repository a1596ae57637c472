"""BLEU and chrF: how much of a written text overlaps with its reference, between 0 and 1.

Both are of a corpus, and functions of counts that are sums over texts, so they can be resampled. Case is
ignored, since an uncased model writes none. Legend: N texts, K counts.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.core.evaluate.metrics import Array, Values, ratio

# Words, and each other sign by itself.
TOKEN = re.compile(r"\w+|[^\w\s]")
WORD_ORDERS, LETTER_ORDERS = 4, 6
# Recall counts so many times as much as precision.
BETA = 2.0
# What a text adds: of words the n-grams shared and written of each order, and both lengths; of letters the
# n-grams shared, written and of the reference.
BLEU_COUNTS = 2 * WORD_ORDERS + 2
COUNTS = BLEU_COUNTS + 3 * LETTER_ORDERS


class Overlap(NamedTuple):
    """Hold BLEU and chrF; arrays where counts are resampled."""

    bleu: Values
    chrf: Values


def overlap_counts(pairs: Iterable[tuple[str, str]]) -> Values:
    """Count the n-grams of references and of what was written about the same texts; NxK."""
    rows = [_counts(reference.casefold(), written.casefold()) for reference, written in pairs]
    return np.array(rows, dtype=np.float64).reshape(len(rows), COUNTS)


def overlap(counts: Array) -> Overlap:
    """Compute BLEU and chrF from summed counts; ...xK to ...."""
    return Overlap(bleu(counts[..., :BLEU_COUNTS]), chrf(counts[..., BLEU_COUNTS:]))


def bleu(counts: Array) -> Values:
    """Compute BLEU of up to four words (Papineni et al., 2002), without smoothing.

    An order of which nothing was written, since all texts are so short, is left out.
    """
    shared, written = counts[..., :WORD_ORDERS], counts[..., WORD_ORDERS : 2 * WORD_ORDERS]
    length, reference = counts[..., -2], counts[..., -1]
    precision = ratio(shared, written)
    is_written = written > 0
    with np.errstate(divide="ignore"):
        logs = np.where(is_written, np.log(precision), 0.0)
    mean = np.exp(ratio(logs.sum(axis=-1), is_written.sum(axis=-1)))
    brevity = np.exp(np.minimum(0.0, 1.0 - ratio(reference, length)))
    return np.asarray(np.where(length > 0, mean * brevity, 0.0))


def chrf(counts: Array) -> Values:
    """Compute chrF of up to six letters (Popović, 2015), blanks left out: F2 of the means over all orders.

    An order that neither side has, since all texts are so short, is left out.
    """
    shared, written, reference = np.split(counts, 3, axis=-1)
    has_order = (written > 0) & (reference > 0)
    orders = has_order.sum(axis=-1)
    precision, recall = (
        ratio(np.where(has_order, ratio(shared, total), 0.0).sum(axis=-1), orders)
        for total in (written, reference)
    )
    return ratio((1 + BETA**2) * precision * recall, BETA**2 * precision + recall)


def _counts(reference: str, written: str) -> list[int]:
    words = TOKEN.findall(reference), TOKEN.findall(written)
    letters = "".join(reference.split()), "".join(written.split())
    by_word = [_shared(*words, order) for order in range(1, WORD_ORDERS + 1)]
    by_letter = [_shared(*letters, order) for order in range(1, LETTER_ORDERS + 1)]
    return [
        *(one[0] for one in by_word),
        *(one[1] for one in by_word),
        len(words[1]),
        len(words[0]),
        *(one[place] for place in range(3) for one in by_letter),
    ]


def _shared(reference: Sequence[str], written: Sequence[str], order: int) -> tuple[int, int, int]:
    """Return how many n-grams both have, how many were written, and how many the reference has."""
    counts = [
        Counter(tuple(one[start : start + order]) for start in range(len(one) - order + 1))
        for one in (reference, written)
    ]
    return (counts[0] & counts[1]).total(), counts[1].total(), counts[0].total()
