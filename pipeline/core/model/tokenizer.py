"""Tokenize texts; a tokenizer is stored as one JSON document, its pieces are those of any family."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from tokenizers import Encoding, Tokenizer

from pipeline.base.tasks.targets import BREAK, by_part, split_target

# Of what is read of a long text, the part from its beginning.
HEAD_DIVISOR = 4
V = TypeVar("V")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


class PieceSpan(NamedTuple):
    """Hold the id of a token, and the characters of the text that it stands for."""

    token: int
    start: int
    end: int


def load_tokenizer(document: str, max_tokens: int) -> Tokenizer:
    """Load a tokenizer from its JSON; it truncates to `max_tokens` and does not pad."""
    tokenizer = Tokenizer.from_str(document)
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


def encode(tokenizer: Tokenizer, texts: Sequence[str], long_texts: str = "head") -> list[list[int]]:
    """Return the token ids of texts; of long ones what `long_texts` says."""
    return encode_and_mark_cut(tokenizer, texts, long_texts)[0]


def encode_and_mark_cut(
    tokenizer: Tokenizer, texts: Sequence[str], long_texts: str = "head"
) -> tuple[list[list[int]], list[bool]]:
    """Return the token ids of texts, and of which texts tokens are left out.

    Of a text of more tokens than the tokenizer truncates to, `head` keeps the first ones, `head_tail` the
    first quarter and from the end the rest (Sun et al., 2019), and `windows` all, as one window after the
    other, each of that length; the last one overlaps.

    A text with a target is a pair in the tokenizer's own template, and of a long one `head` is read: the text
    is cut, the target only where it has more than half of the tokens.
    """
    if long_texts != "head":
        encodings = tokenizer.encode_batch_fast(texts)
        tokens = [_read_of(one, long_texts, _ids) for one in encodings]
        return tokens, [long_texts == "head_tail" and bool(one.overflowing) for one in encodings]
    longest = max_tokens(tokenizer)
    # A long text costs as much as its beginning.
    beginnings = [by_part(lambda part: _first_words(part, longest), text) for text in texts]
    encodings = tokenizer.encode_batch_fast(list(map(_sequences, beginnings)))
    tokens, cut = [], []
    for text, beginning, encoding in zip(texts, beginnings, encodings, strict=True):
        ids, is_cut = _ids_and_cut(encoding, longest)
        # Words without a token, such as an accent alone, can leave room for what follows.
        if not is_cut and len(beginning) < len(text):
            ids, is_cut = _ids_and_cut(tokenizer.encode_batch_fast([_sequences(text)])[0], longest)
        tokens.append(ids)
        cut.append(is_cut)
    return tokens, cut


def encode_with_places(
    tokenizer: Tokenizer, texts: Sequence[str]
) -> tuple[list[list[int]], list[list[tuple[int, int]]]]:
    """Return the token ids of the beginnings of texts, and which characters each token stands for.

    A special token stands for none: its start is its end.
    """
    encodings = tokenizer.encode_batch(list(texts))
    places = [
        [
            (0, 0) if special else _without_blanks(text, *place)
            for place, special in zip(one.offsets, one.special_tokens_mask, strict=True)
        ]
        for text, one in zip(texts, encodings, strict=True)
    ]
    return [one.ids for one in encodings], places


def _without_blanks(text: str, start: int, end: int) -> tuple[int, int]:
    # Pieces of bytes begin with the blank before their word.
    while start < end and text[start].isspace():
        start += 1
    return start, end


def split_windows(tokens: Sequence[Sequence[int]], length: int) -> tuple[list[Sequence[int]], list[int]]:
    """Return the windows of this length that `encode` put one after the other, and the text of each."""
    places = [(row, start) for row, ids in enumerate(tokens) for start in range(0, len(ids) or 1, length)]
    return [tokens[row][start : start + length] for row, start in places], [row for row, _ in places]


def _first_words(text: str, count: int) -> str:
    if len(text) < 2 * count:
        return text
    words = text.split(" ", count)
    return text if len(words) <= count else " ".join(words[:count])


def _sequences(text: str) -> str | tuple[str, str]:
    """Return what the tokenizer reads: a text, or a text and its target."""
    first, target = split_target(text)
    return (first, target) if target else first


def _ids_and_cut(encoding: Encoding, longest: int) -> tuple[list[int], bool]:
    ids = encoding.ids
    # `overflowing` copies all tokens left out, so only full encodings are asked for it.
    return ids, len(ids) == longest and bool(encoding.overflowing)


def encode_with_spans(tokenizer: Tokenizer, text: str, long_texts: str = "head") -> list[PieceSpan]:
    """Return the token ids of a text as `encode` does, each with the characters it stands for.

    A special token stands for none: both ends of its span are 0.
    """
    first, target = split_target(text)
    if not target:
        return _read_of(tokenizer.encode(text), long_texts, _ids_and_spans)
    encoding = tokenizer.encode(first, target)
    before = [0 if number != 1 else len(first) + len(BREAK) for number in encoding.sequence_ids]
    pieces = zip(before, _ids_and_spans(encoding), strict=True)
    return [PieceSpan(one.token, start + one.start, start + one.end) for start, one in pieces]


def _read_of(encoding: Encoding, long_texts: str, values: Callable[[Encoding], list[V]]) -> list[V]:
    """Return the values of the tokens that are read of a text."""
    if long_texts == "head":
        return values(encoding)
    return _head_and_tail(encoding, values) if long_texts == "head_tail" else _windows(encoding, values)


def _head_and_tail(encoding: Encoding, values: Callable[[Encoding], list[V]]) -> list[V]:
    first, pieces, last = _special_and_pieces(encoding, values)
    room = len(encoding.ids) - len(first) - len(last)
    if len(pieces) <= room:
        return values(encoding)
    head = room // HEAD_DIVISOR
    return [*first, *pieces[:head], *pieces[len(pieces) - room + head :], *last]


def _windows(encoding: Encoding, values: Callable[[Encoding], list[V]]) -> list[V]:
    first, pieces, last = _special_and_pieces(encoding, values)
    room = len(encoding.ids) - len(first) - len(last)
    if len(pieces) <= room:
        return values(encoding)
    # The last window is as long as the others, so that each counts for as many tokens.
    starts = [*range(0, len(pieces) - room, room), len(pieces) - room]
    return [value for start in starts for value in (*first, *pieces[start : start + room], *last)]


def _special_and_pieces(
    encoding: Encoding, values: Callable[[Encoding], list[V]]
) -> tuple[list[V], list[V], list[V]]:
    """Return the values of the special tokens before a text, of all its pieces, and of those behind."""
    own, special = values(encoding), encoding.special_tokens_mask
    begin = special.index(0) if 0 in special else len(own)
    end = len(own) - special[::-1].index(0) if 0 in special else len(own)
    pieces = own[begin:end]
    for part in encoding.overflowing:
        added = values(part)
        pieces += added[begin : len(added) - (len(own) - end)]
    return own[:begin], pieces, own[end:]


def _ids(encoding: Encoding) -> list[int]:
    return encoding.ids


def _ids_and_spans(encoding: Encoding) -> list[PieceSpan]:
    return [PieceSpan(number, *ends) for number, ends in zip(encoding.ids, encoding.offsets, strict=True)]


def max_tokens(tokenizer: Tokenizer) -> int:
    """Return to how many tokens a tokenizer truncates a text; raises ValueError where it does not."""
    if tokenizer.truncation is None:
        raise ValueError("this tokenizer does not truncate; load it with `load_tokenizer`")
    return int(tokenizer.truncation["max_length"])


def vocabulary_size(document: str) -> int:
    """Return the number of pieces of a tokenizer."""
    return Tokenizer.from_str(document).get_vocab_size()
