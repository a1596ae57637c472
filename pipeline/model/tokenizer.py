"""Text to token ids, with the tokenizer kept as one JSON document."""

import json
from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def load_tokenizer(document: str, max_tokens: int) -> Tokenizer:
    """Read a tokenizer that truncates to `max_tokens` and does not pad."""
    tokenizer = Tokenizer.from_str(document)
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


def train_tokenizer(texts: Iterable[str], *, vocabulary: int) -> str:
    """Train a lower-casing WordPiece tokenizer and give it as JSON.

    Source: Wu et al., 2016 (WordPiece); the layout is that of BERT (Devlin et al., 2019).
    """
    from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=vocabulary, special_tokens=list(SPECIAL), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    ends = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    return _with_ordered_vocabulary(tokenizer.to_str())


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Turn texts into token ids."""
    return [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]


def special_ids(tokenizer: Tokenizer) -> dict[str, int]:
    """Give the ids of the special tokens by their names."""
    vocabulary = tokenizer.get_vocab()
    return {name: vocabulary[name] for name in SPECIAL}


def continuations(tokenizer: Tokenizer) -> list[bool]:
    """Say for every id whether its piece continues the word before it."""
    pieces = {number: piece for piece, number in tokenizer.get_vocab().items()}
    return [pieces.get(number, "").startswith("##") for number in range(max(pieces) + 1)]


def size(document: str) -> int:
    """Count the pieces of a tokenizer."""
    return Tokenizer.from_str(document).get_vocab_size()


def _with_ordered_vocabulary(document: str) -> str:
    # The trainer keeps its vocabulary in a hash map; ordered by id, equal training gives equal bytes.
    content = json.loads(document)
    content["model"]["vocab"] = dict(sorted(content["model"]["vocab"].items(), key=lambda item: item[1]))
    return json.dumps(content, ensure_ascii=False)
