"""What the pieces of a vocabulary are: of which words, of which letters, spelled how.

A piece of WordPiece that continues a word begins with `##`; one of SentencePiece, or of BPE over bytes, that
begins a word begins with a space, written as `▁` or as `Ġ`.
"""

import functools
import json
from collections.abc import Callable, Iterator, Sequence

from tokenizers import Tokenizer

CONTINUATION, SPACES = "##", ("\u2581", "\u0120")
# The first byte of a letter of a script that is written without spaces, such as Chinese, in UTF-8.
WITHOUT_SPACES = 0xE3
CONTINUATION_BYTES = range(0x80, 0xC0)


def vocabulary_of(document: str) -> dict[str, int]:
    """Return the pieces of the model of a tokenizer's JSON, and their ids."""
    vocabulary = json.loads(document)["model"]["vocab"]
    if isinstance(vocabulary, dict):
        return vocabulary
    # Unigram lists pieces with their scores.
    return {piece: number for number, (piece, _) in enumerate(vocabulary)}


def is_wordpiece(document: str) -> bool:
    """Return whether a tokenizer's JSON is that of WordPiece."""
    model = json.loads(document)["model"]
    # Documents of earlier versions have no type.
    return bool(model.get("type", "WordPiece") == "WordPiece" and isinstance(model["vocab"], dict))


def continuations(tokenizer: Tokenizer) -> list[bool]:
    """Return for every id whether its piece continues a word."""
    continues = _rule(tokenizer.to_str())
    pieces = {number: piece for piece, number in tokenizer.get_vocab().items()}
    added = tokenizer.get_added_tokens_decoder()
    return [number not in added and continues(pieces.get(number, "")) for number in range(max(pieces) + 1)]


def word_starts(document: str) -> Iterator[str]:
    """Yield the pieces that begin a word or are one, without the sign of a space."""
    vocabulary = vocabulary_of(document)
    if "ByteLevel" in document:
        spelled = (_text_of(piece) for piece in vocabulary if not _continues_bytes(piece))
        yield from (text.removeprefix(" ") for text in spelled if text is not None)
        return
    spaced = not is_wordpiece(document) and any(piece.startswith(SPACES) for piece in vocabulary)
    for piece in vocabulary:
        if not spaced:
            yield piece
        elif piece.startswith(SPACES):
            yield piece[1:]


def ids_of_signs(tokenizer: Tokenizer, signs: Sequence[str]) -> tuple[int, ...]:
    """Return the ids of the pieces that are one of these signs, also behind a space."""
    spell = _text_of if "ByteLevel" in tokenizer.to_str() else str
    pieces = tokenizer.get_vocab().items()
    return tuple(
        sorted(number for piece, number in pieces if (spell(piece) or "").lstrip(" \u2581") in signs)
    )


def partial_letters(tokenizer: Tokenizer) -> set[int]:
    """Return the ids of a vocabulary over bytes that are a part of a letter, as of an unknown script."""
    if "ByteLevel" not in tokenizer.to_str():
        return set()
    return {number for piece, number in tokenizer.get_vocab().items() if _is_partial(piece)}


def _is_partial(piece: str) -> bool:
    return _bytes_of(piece) is not None and _text_of(piece) is None


def _text_of(piece: str) -> str | None:
    """Return what a piece of bytes spells, None where it is a part of a letter or no such piece."""
    content = _bytes_of(piece)
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError:
        return None


def _rule(document: str) -> Callable[[str], bool]:
    if is_wordpiece(document):
        return lambda piece: piece.startswith(CONTINUATION)
    if "ByteLevel" in document:
        return _continues_bytes
    return lambda piece: piece[:1].isalnum() and ord(piece[0]) < ord("\u3000")


def _continues_bytes(piece: str) -> bool:
    content = _bytes_of(piece)
    if not content:
        return False
    first = content[0]
    if first in CONTINUATION_BYTES:
        return True
    return chr(first).isalnum() if first < CONTINUATION_BYTES.start else first < WITHOUT_SPACES


def _bytes_of(piece: str) -> bytes | None:
    numbers = [_byte_letters().get(letter) for letter in piece]
    return None if None in numbers else bytes(number for number in numbers if number is not None)


@functools.cache
def _byte_letters() -> dict[str, int]:
    """Return the byte of each letter that BPE over bytes writes it as (Radford et al., 2019)."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [number for number in range(0x100) if number not in shown]
    return {chr(number): number for number in shown} | {
        chr(0x100 + place): number for place, number in enumerate(hidden)
    }
