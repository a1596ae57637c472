"""What a tokenizer makes of texts: how much of them it does not know, how much it cuts off, or nothing."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from pipeline.base.config import EncoderConfig, ValidateConfig
from pipeline.base.errors import ConfigError, DataRejected
from pipeline.core.clean.words import count_words
from pipeline.core.model.families import TITLES
from pipeline.core.model.pieces import partial_letters
from pipeline.core.model.special_tokens import mask_id, padding_id, special_ids, unknown_id
from pipeline.core.model.tokenizer import HEAD_DIVISOR, load_tokenizer, vocabulary_size
from pipeline.core.validate.row_measures import draw_by_key

TEXTS_AT_ONCE = 2_000
# A tokenizer that spells unknown letters byte by byte names each byte so.
BYTE = re.compile(r"<0x[0-9A-F]{2}>")
# So many rows of the word embeddings may be without a piece: tables are padded to whole blocks.
SPARE_ROWS, SPARE_SHARE = 1_000, 0.1
# Of several scripts, and at the end what no vocabulary holds, so that the unknown piece is asked for.
SAMPLE = "a z 1 . é я α ع अ 中 の 한 😀 \ue000\ue001"
SAMPLE_TOKENS = 64
SAME_MODEL = "Put the tokenizer.json of the same model there, or choose another model."


@dataclass(frozen=True)
class Coverage:
    """Count what a tokenizer makes of `texts` texts; special tokens are not counted.

    `cut_texts` are longer than `max_tokens`; `cut_words` of their words are beyond that.
    """

    texts: int
    tokens: int
    unknown_tokens: int
    words: int
    cut_texts: int
    cut_words: int

    @property
    def unknown_share(self) -> float:
        """Return the share of tokens that the tokenizer does not know, or spells byte by byte."""
        return self.unknown_tokens / max(1, self.tokens)

    @property
    def cut_text_share(self) -> float:
        """Return the share of texts that are longer than `max_tokens`."""
        return self.cut_texts / max(1, self.texts)

    @property
    def cut_word_share(self) -> float:
        """Return the share of all words that are cut at `max_tokens`."""
        return self.cut_words / max(1, self.words)


def measure_coverage(
    document: str,
    texts: Iterable[str],
    *,
    max_tokens: int,
    sample_texts: int,
    long_texts: str = "head",
    knows_bytes: bool = False,
) -> Coverage:
    """Measure what a tokenizer, given as its JSON, makes of texts: of `sample_texts` at most.

    A letter that is spelled by its bytes is unknown, unless the encoder will learn such spellings.
    """
    tokenizer = Tokenizer.from_str(document)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    unknown = {number for piece, number in tokenizer.get_vocab().items() if BYTE.fullmatch(piece)}
    unknown |= set() if knows_bytes else partial_letters(tokenizer)
    if (piece := unknown_id(tokenizer)) is not None:
        unknown.add(piece)
    room = max_tokens - tokenizer.num_special_tokens_to_add(is_pair=False)
    head = room // HEAD_DIVISOR if long_texts == "head_tail" else room
    drawn = list(draw_by_key(zip(texts, texts, strict=True), sample_texts).values())
    tokens = unknown_tokens = cut_texts = cut_words = 0
    for start in range(0, len(drawn), TEXTS_AT_ONCE):
        batch = drawn[start : start + TEXTS_AT_ONCE]
        for text, encoding in zip(batch, tokenizer.encode_batch(batch), strict=True):
            ids = [
                number
                for number, special in zip(encoding.ids, encoding.special_tokens_mask, strict=True)
                if not special
            ]
            # Without an unknown piece a tokenizer leaves out what it does not know.
            unread = count_words(text) if not ids else 0
            tokens += len(ids) + unread
            unknown_tokens += sum(number in unknown for number in ids) + unread
            if len(ids) > room and long_texts != "windows":
                cut_texts += 1
                ends = [end for _, end in encoding.offsets]
                last = ends[len(ids) - room + head] if head < room else len(text)
                cut_words += count_words(text[ends[head] : last])
    words = sum(map(count_words, drawn))
    return Coverage(len(drawn), tokens, unknown_tokens, words, cut_texts, cut_words)


def require_coverage(coverage: Coverage, limits: ValidateConfig, encoder: EncoderConfig) -> None:
    """Raise DataRejected where the tokenizer does not know the texts, or cuts too much of them off.

    The message names the keys of params.yaml to change.
    """
    sentences = []
    if coverage.unknown_share > limits.max_unknown_tokens:
        sentences.append(
            f"The tokenizer does not know the language of these texts: {coverage.unknown_share:.1%} of their "
            f"tokens are unknown to it, at most {limits.max_unknown_tokens:.1%} allowed "
            f"(validate.max_unknown_tokens). {_better_tokenizer(encoder)}"
        )
    if coverage.cut_word_share > limits.max_cut_words:
        sentences.append(
            f"{coverage.cut_texts:,} of {coverage.texts:,} texts are longer than {encoder.max_tokens} "
            f"tokens, and {coverage.cut_word_share:.1%} of all words would be cut off, at most "
            f"{limits.max_cut_words:.1%} allowed (validate.max_cut_words). Write a larger `max_tokens` under "
            "`encoder` in params.yaml (at most 512), or raise `max_cut_words` under `validate`."
        )
    if sentences:
        raise DataRejected("\n".join(sentences))


def _better_tokenizer(encoder: EncoderConfig) -> str:
    if encoder.start != "scratch":
        language = "is for English" if encoder.start == "package" else "names a model of another language"
        return (
            f"`start: {encoder.start}` {language}. Write `start: scratch` under `encoder` in params.yaml: "
            "it trains a tokenizer on your texts."
        )
    larger = encoder.scratch.vocabulary
    return f"Write a `vocabulary` larger than {larger} under `encoder.scratch` in params.yaml."


def require_tokenizer(settings: Mapping[str, Any], document: str, where: str) -> None:
    """Raise ConfigError where a tokenizer, given as its JSON, reads no texts or is none of these weights."""
    try:
        tokenizer, rows = load_tokenizer(document, SAMPLE_TOKENS), int(settings["vocab_size"])
        around, read = (tokenizer.encode(text).ids for text in ("", SAMPLE))
    except Exception as error:  # tokenizers raises no type of its own
        raise ConfigError(
            f"{where}: tokenizer.json cannot be read ({' '.join(str(error).split())[:200]}). Save it with "
            "the `tokenizers` library, as `save_pretrained` of a fast tokenizer does."
        ) from error
    largest, pieces = max([*tokenizer.get_vocab().values(), *read], default=-1), vocabulary_size(document)
    if largest >= rows or rows - pieces > max(SPARE_ROWS, SPARE_SHARE * rows):
        raise ConfigError(
            f"{where}: the weights do not fit the tokenizer: tokenizer.json has {pieces:,} pieces, the "
            f"largest id is {largest:,}, and the weights have rows for {rows:,}. {SAME_MODEL}"
        )
    _require_special_tokens(settings, tokenizer, where)
    pieces_of_words = set(tokenizer.get_vocab().values()) - set(special_ids(tokenizer).values())
    if not around or read == around or not pieces_of_words:
        what = "makes no token of a word" if around else "puts no token around a text (`post_processor`)"
        raise ConfigError(f"{where}: tokenizer.json {what}, and a model reads tokens. {SAME_MODEL}")


def _require_special_tokens(settings: Mapping[str, Any], tokenizer: Tokenizer, where: str) -> None:
    padding = padding_id(tokenizer)
    if padding is not None and padding != settings.get("pad_token_id"):
        raise ConfigError(
            f"{where}: the weights do not fit the tokenizer: padding is {padding} in tokenizer.json and "
            f"{settings.get('pad_token_id')} in config.json (`pad_token_id`). {SAME_MODEL}"
        )
    if mask_id(tokenizer) is None:
        raise ConfigError(
            f"{where}: tokenizer.json has no mask token, which pretraining by masked words needs. Choose a "
            f"model that was pretrained so: {TITLES}."
        )
