"""Trim the vocabulary: a piece that training texts hardly contain is hardly trained, and takes space."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.core.model.pieces import CONTINUATION
from pipeline.core.model.tokenizer import SPECIAL


def trim_vocabulary(
    document: str, texts: Iterable[Sequence[int]], *, min_count: int
) -> tuple[str, list[int]]:
    """Drop the pieces of a WordPiece tokenizer that tokenized texts contain fewer than `min_count` times.

    Returns the smaller tokenizer's JSON and the old ids of its pieces in the new order. Special pieces and
    single letters stay, so every word can still be written, by other pieces.
    """
    content = json.loads(document)
    counts = Counter(number for numbers in texts for number in numbers)
    pieces = sorted(content["model"]["vocab"].items(), key=lambda item: int(item[1]))
    special = {*SPECIAL, *(token["content"] for token in content["added_tokens"])}
    kept = [(piece, old) for piece, old in pieces if _required(piece, special) or counts[old] >= min_count]
    new_ids = {piece: new for new, (piece, _) in enumerate(kept)}
    content["model"]["vocab"] = new_ids
    _renumber(content, new_ids)
    return json.dumps(content, ensure_ascii=False), [old for _, old in kept]


def _required(piece: str, special: set[str]) -> bool:
    return piece in special or len(piece.removeprefix(CONTINUATION)) == 1


def _renumber(content: dict[str, Any], new_ids: dict[str, int]) -> None:
    content["added_tokens"] = [
        {**token, "id": new_ids[token["content"]]}
        for token in content["added_tokens"]
        if token["content"] in new_ids
    ]
    processor = content.get("post_processor") or {}
    for part in processor.get("processors") or [processor]:
        for special in (part.get("special_tokens") or {}).values():
            special["ids"] = [new_ids[piece] for piece in special["tokens"]]
        # Tokenizers of earlier versions name the two ends alone.
        for end in ("cls", "sep"):
            if end in part:
                part[end] = [part[end][0], new_ids[part[end][0]]]
