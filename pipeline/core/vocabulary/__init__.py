"""Learn the vocabulary of a tokenizer from texts, one module a kind."""

from collections.abc import Iterable

from pipeline.base.config import TokenizerKind
from pipeline.core.vocabulary.byte_pairs import train_byte_pairs
from pipeline.core.vocabulary.wordpiece import train_wordpiece

TRAINERS = {"wordpiece": train_wordpiece, "bpe": train_byte_pairs}


def train_tokenizer(texts: Iterable[str], *, kind: TokenizerKind, vocabulary: int) -> str:
    """Train a tokenizer of `vocabulary` pieces at most and return its JSON, the same for the same texts."""
    return TRAINERS[kind](texts, vocabulary=vocabulary)


__all__ = ["TRAINERS", "train_byte_pairs", "train_tokenizer", "train_wordpiece"]
