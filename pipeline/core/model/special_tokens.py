"""The ids of the special tokens of a tokenizer: those that begin and end a text, pad it, or mask a word."""

from collections.abc import Sequence

from tokenizers import Tokenizer


def special_ids(tokenizer: Tokenizer) -> dict[str, int]:
    """Return the ids of the special tokens by name, such as [CLS] or <s>."""
    added = tokenizer.get_added_tokens_decoder()
    return {token.content: number for number, token in added.items() if token.special}


def mask_id(tokenizer: Tokenizer) -> int | None:
    """Return the id of the token for a masked word, None where there is none."""
    return _first_id(tokenizer, ("[MASK]", "<mask>"))


def end_ids(tokenizer: Tokenizer) -> tuple[int, int] | None:
    """Return the ids of the tokens that begin and end a text, None where there are none."""
    start, end = _first_id(tokenizer, ("[CLS]", "<s>")), _first_id(tokenizer, ("[SEP]", "</s>"))
    return None if start is None or end is None else (start, end)


def padding_id(tokenizer: Tokenizer) -> int | None:
    """Return the id of padding, None where there is none."""
    return _first_id(tokenizer, ("[PAD]", "<pad>"))


def unknown_id(tokenizer: Tokenizer) -> int | None:
    """Return the id of an unknown piece, None where every piece can be spelled."""
    return _first_id(tokenizer, (getattr(tokenizer.model, "unk_token", None) or "[UNK]", "<unk>"))


def _first_id(tokenizer: Tokenizer, names: Sequence[str]) -> int | None:
    # Special tokens first: the vocabulary of MPNet holds BERT's special tokens as plain pieces.
    special = special_ids(tokenizer)
    numbers = [special.get(name) for name in names] + [tokenizer.token_to_id(name) for name in names]
    return next((number for number in numbers if number is not None), None)
