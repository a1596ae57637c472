"""Learn the pieces of a WordPiece vocabulary from texts."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator

from tokenizers import Tokenizer

from pipeline.base.errors import DataRejected
from pipeline.core.model.tokenizer import SPECIAL
from pipeline.core.vocabulary.layout import NO_LETTER, put_ends_around_texts

# At most a quarter of the vocabulary are letters at the start of a word, and a quarter letters within one.
ALPHABET_DIVISOR = 4


def train_wordpiece(texts: Iterable[str], *, vocabulary: int) -> str:
    """Train a lower-casing WordPiece tokenizer and return its JSON, the same for the same texts.

    The texts are passed over twice, and none is held. Raises DataRejected where no text has a letter, as
    those of accents alone.

    Source: Wu et al., 2016 (WordPiece); the layout is that of BERT (Devlin et al., 2019).
    """
    from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

    assert not isinstance(texts, Iterator), "a second pass would find no text"
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    normalize = tokenizer.normalizer.normalize_str
    letters = _letters(map(normalize, texts), most=vocabulary // ALPHABET_DIVISOR)
    if not letters:
        raise DataRejected(NO_LETTER)
    # The trainer numbers letters in the order of a salted hash map and breaks ties by number, so two
    # processes would train two tokenizers. Special tokens are numbered beforehand; `_plain` makes letters
    # plain again.
    special = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters)]
    trainer = trainers.WordPieceTrainer(vocab_size=vocabulary, special_tokens=special, show_progress=False)
    known = {*letters, " "}
    tokenizer.train_from_iterator(
        ("".join(letter if letter in known else " " for letter in text) for text in map(normalize, texts)),
        trainer,
    )
    put_ends_around_texts(tokenizer)
    return _plain(tokenizer.to_str())


def _letters(texts: Iterable[str], *, most: int) -> list[str]:
    counts = Counter(letter for text in texts for letter in text if not letter.isspace())
    most_common = sorted(counts, key=lambda letter: (-counts[letter], letter))[: max(1, most)]
    return sorted(most_common)


def _plain(document: str) -> str:
    """Make letters plain pieces again, and order the vocabulary, so that equal training is equal bytes."""
    content = json.loads(document)
    content["added_tokens"] = [token for token in content["added_tokens"] if token["content"] in SPECIAL]
    content["model"]["vocab"] = dict(sorted(content["model"]["vocab"].items(), key=lambda item: item[1]))
    return json.dumps(content, ensure_ascii=False)
