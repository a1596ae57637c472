"""What pretraining learns: masked words, the next word, or how two sentences belong together."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.base.config import EncoderConfig, PretrainConfig
from pipeline.base.errors import ConfigError
from pipeline.io import parquet
from pipeline.io.checkpoints import CheckpointFolder
from pipeline.io.training.token_shards import TABLE_ROW, Columns, TokenShards, in_batches

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from pipeline.core.train.masking import WholeWordMasking
    from pipeline.core.train.objectives import EncoderStart, MaskedWordObjective
    from pipeline.core.train.objectives.causal import CausalObjective
    from pipeline.core.train.objectives.sentence_pairs import SentenceIds

SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？")


@dataclass(frozen=True)
class PretrainingTokens:
    """Hold the tokenizer, and where the splits are read and their tokens kept."""

    document: str
    encoder: EncoderConfig
    splits: Path
    checkpoints: CheckpointFolder

    @property
    def max_tokens(self) -> int:
        """Return the most tokens of a text."""
        return self.encoder.max_tokens

    def of(self, side: str, *, at_most: int | None = None) -> TokenShards:
        """Return the first texts of a split as tokens; each window of a long one is a text of its own."""
        texts = itertools.islice(parquet.TextColumn(self.splits / f"{side}.parquet"), at_most)
        return self.checkpoints.texts(side, self._batches(texts))

    def _batches(self, texts: Iterable[str]) -> Iterator[Columns]:
        from pipeline.core.model.tokenizer import encode, load_tokenizer, split_windows

        tokenizer = load_tokenizer(self.document, self.max_tokens)
        for batch in in_batches(enumerate(texts)):
            tokens = encode(tokenizer, [text for _, text in batch], self.encoder.long_texts)
            windows, rows = split_windows(tokens, self.max_tokens)
            yield {"tokens": windows, TABLE_ROW: np.array([batch[row][0] for row in rows])}


def pretraining_objective(
    start: "EncoderStart", tokens: PretrainingTokens, cfg: PretrainConfig, seed: int
) -> "MaskedWordObjective | CausalObjective":
    """Return the objective on the texts of train and valid."""
    from pipeline.core.model.language_models import require_bert
    from pipeline.core.model.tokenizer import load_tokenizer
    from pipeline.core.train.objectives import MaskedWordObjective
    from pipeline.core.train.objectives.causal import CausalObjective
    from pipeline.core.train.objectives.masked_words import PackedWordObjective
    from pipeline.core.train.objectives.sentence_pairs import SentencePairObjective
    from pipeline.core.train.packing import TokenBudget

    tokenizer = load_tokenizer(tokens.document, tokens.max_tokens)
    budget = TokenBudget(tokens.max_tokens, cfg.batch_tokens) if cfg.batch_tokens else None
    # Before all texts are tokenized.
    is_pair = cfg.objective in ("next_sentence", "sentence_order")
    if cfg.objective != "masked_words" or budget:
        require_bert(start.config, pairs=is_pair)
    sentences = _sentence_ids(tokenizer, tokens.max_tokens) if is_pair else None
    common: dict[str, Any] = {
        "start": start,
        "train": tokens.of("train"),
        "valid": tokens.of("valid", at_most=cfg.eval_texts),
        "batch_size": cfg.batch_size,
        "seed": seed,
    }
    if cfg.objective == "causal":
        return CausalObjective(**common, budget=budget)
    masked: dict[str, Any] = {**common, "masking": _masking(tokenizer, cfg.mlm_probability)}
    if cfg.objective != "masked_words":
        assert sentences is not None
        return SentencePairObjective(**masked, question=cfg.objective, sentences=sentences)
    return PackedWordObjective(**masked, budget=budget) if budget else MaskedWordObjective(**masked)


def _sentence_ids(tokenizer: "Tokenizer", max_tokens: int) -> "SentenceIds":
    from pipeline.core.model.pieces import ids_of_signs
    from pipeline.core.model.special_tokens import end_ids
    from pipeline.core.train.objectives.sentence_pairs import SentenceIds

    if (around := end_ids(tokenizer)) is None:
        raise ConfigError(
            "The tokenizer has no tokens that begin and end a text, and pairs of sentences need them. "
            "Write `objective: masked_words` under `pretrain` in params.yaml."
        )
    return SentenceIds(*around, ids_of_signs(tokenizer, SENTENCE_ENDS), max_tokens)


def _masking(tokenizer: "Tokenizer", probability: float) -> "WholeWordMasking":
    import numpy as np

    from pipeline.core.model.pieces import continuations
    from pipeline.core.model.special_tokens import mask_id, special_ids
    from pipeline.core.train.masking import WholeWordMasking

    mask, special = mask_id(tokenizer), special_ids(tokenizer)
    assert mask is not None
    continues = np.asarray(continuations(tokenizer))
    return WholeWordMasking(probability, mask, tuple(special.values()), continues)
