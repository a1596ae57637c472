"""Learn the pieces of byte-level BPE from texts."""

import itertools
from collections.abc import Iterable, Iterator

from tokenizers import Tokenizer

from pipeline.base.config import LEAST_BPE_VOCABULARY
from pipeline.base.errors import DataRejected
from pipeline.core.model.tokenizer import SPECIAL
from pipeline.core.vocabulary.layout import NO_LETTER, put_ends_around_texts


def train_byte_pairs(texts: Iterable[str], *, vocabulary: int) -> str:
    """Train a tokenizer of BPE over bytes and return its JSON, the same for the same texts.

    It keeps upper case and accents, and spells what it has not seen by its bytes. A text begins with a space,
    so that its first word is the piece that it is elsewhere.

    Raises DataRejected where no text has more than spaces.

    Source: Sennrich et al., 2016 (BPE); bytes and the division into words: Radford et al., 2019.
    """
    from tokenizers import decoders, models, pre_tokenizers, trainers

    assert vocabulary >= LEAST_BPE_VOCABULARY, "ScratchConfig was not checked"
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    # Ties are broken by number. Every byte is numbered before the first merge, whatever the texts hold, so
    # the salted hash maps of the trainer decide nothing.
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_from_first_letter(texts), trainer)
    put_ends_around_texts(tokenizer)
    return str(tokenizer.to_str())


def _from_first_letter(texts: Iterable[str]) -> Iterator[str]:
    rest = itertools.dropwhile(lambda text: not text.strip(), texts)
    if (first := next(rest, None)) is None:
        raise DataRejected(NO_LETTER)
    return itertools.chain([first], rest)
