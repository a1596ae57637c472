"""The tokens and targets that fine-tuning learns and is measured on, and changed copies of some."""

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.base.seeds import seed_for
from pipeline.io import parquet
from pipeline.io.model_folder import NEXT_WORD_HEAD_FILE
from pipeline.io.training.token_shards import TABLE_ROW, Columns, in_batches

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from pipeline.core.augment.copies import Copies, SwappedWords
    from pipeline.core.methods.replay import TrainedRows
    from pipeline.core.tasks import Task
    from pipeline.core.tasks.protocol import Training
    from pipeline.core.train.objectives import EncoderStart


@dataclass(frozen=True)
class FinetuningTokens:
    """Hold what makes tokens and targets of a split; `start` returns the encoder before training."""

    encoder: Path
    max_tokens: int
    task: "Task"
    training: "Training"
    start: "Callable[[], EncoderStart]"

    def of(self, path: Path, chosen: "TrainedRows | None" = None) -> Iterator[Columns]:
        """Yield the tokens and targets of a split, or of its chosen rows, one batch of texts in memory."""
        for _, columns in self._batches(path, chosen):
            yield columns

    def with_copies(self, path: Path, chosen: "TrainedRows | None" = None) -> Iterator[Columns]:
        """Yield them, and after each batch changed copies of some of its texts, where there are any."""
        from pipeline.core.augment.copies import KnownBatch

        copies = self._copies(path) if self.training.cfg.augment.any else None
        for number, (rows, columns) in enumerate(self._batches(path, chosen)):
            yield columns
            if copies:
                batch = KnownBatch([row[0] for row in rows], [row[1] for row in rows], columns)
                more = copies.of(number, batch)
                yield from [more] if more else []

    def _batches(
        self, path: Path, chosen: "TrainedRows | None"
    ) -> Iterator[tuple[list[tuple[str, ...]], Columns]]:
        from pipeline.core.tasks import TruthRow

        tokenizer = self._tokenizer()
        table = enumerate(parquet.stream_rows(path, "text", "label", "source", *self._raters(path)))
        for numbered in in_batches(itertools.compress(table, chosen.is_trained_N) if chosen else table):
            rows = [row for _, row in numbered]
            texts, truth = [row[0] for row in rows], [TruthRow(*row[1:]) for row in rows]
            columns = self.task.encoded(tokenizer, texts, truth, self.training)
            # A copy has that of its text.
            yield rows, {**columns, TABLE_ROW: np.array([number for number, _ in numbered])}

    def _copies(self, path: Path) -> "Copies":
        from pipeline.core.augment.copies import Copies
        from pipeline.core.model.tokenizer import encode

        tokenizer, cfg = self._tokenizer(), self.training.cfg.augment
        words = self._words(path, tokenizer) if cfg.words else None
        return Copies(
            cfg, self.training.seed, lambda texts: encode(tokenizer, texts, self.training.long_texts), words
        )

    def _words(self, path: Path, tokenizer: "Tokenizer") -> "SwappedWords":
        """Return what swaps words, with a check that some of the training texts teach."""
        from pipeline.core.augment.copies import CHECK_TEXTS, SwappedWords, fit_label_check
        from pipeline.core.methods.word_swaps import WordSwaps, require_words
        from pipeline.core.model.heads import MaskedLanguageModel
        from pipeline.core.model.tokenizer import encode

        start, labels = replace(self.start(), method=None, dropout=0.0), list(self.training.labels)
        # One of the next word does not read what follows a blank.
        has_word_head = bool(start.word_head) and not (self.encoder / NEXT_WORD_HEAD_FILE).exists()
        require_words(tokenizer, has_word_head=has_word_head)
        share = CHECK_TEXTS / max(1, len(parquet.TextColumn(path)))
        generator = random.Random(seed_for(self.training.seed, "label check"))
        table = (row for row in parquet.stream_rows(path, "text", "label") if generator.random() < share)
        texts, answers = zip(*table, strict=True)
        tokens = encode(tokenizer, texts, self.training.long_texts)
        check = fit_label_check(start, tokens, [labels.index(one) for one in answers], len(labels))
        return SwappedWords(
            WordSwaps(MaskedLanguageModel(start.encoder(0), start.word_head), tokenizer), check, labels
        )

    def _tokenizer(self) -> "Tokenizer":
        from pipeline.core.model.tokenizer import load_tokenizer

        return load_tokenizer((self.encoder / "tokenizer.json").read_text("utf-8"), self.max_tokens)

    def _raters(self, path: Path) -> tuple[str, ...]:
        # A data version of before has no such column.
        return ("raters",) if self.training.rules and "raters" in parquet.column_names(path) else ()
