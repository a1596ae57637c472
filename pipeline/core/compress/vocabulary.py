"""Trimming of the vocabulary: a piece that training hardly met has learnt nothing, and takes room."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.core.model.tokenizer import SPECIAL

CONTINUES = "##"


def trim_vocabulary(
    document: str, texts: Iterable[Sequence[int]], *, min_count: int
) -> tuple[str, list[int]]:
    """Drop the pieces of a WordPiece tokenizer that tokenised texts hold fewer than `min_count` times.

    Gives the smaller tokenizer's JSON and the old number of each piece left, in the new order. Special pieces and single
    letters stay, so that whatever could be written before still can: a word that has lost its piece is put together from others.
    """
    content = json.loads(document)
    counts = Counter(number for numbers in texts for number in numbers)
    pieces = sorted(content["model"]["vocab"].items(), key=lambda item: int(item[1]))
    kept = [(piece, old) for piece, old in pieces if _needed(piece) or counts[old] >= min_count]
    news = {piece: new for new, (piece, _) in enumerate(kept)}
    content["model"]["vocab"] = news
    _renumber(content, news)
    return json.dumps(content, ensure_ascii=False), [old for _, old in kept]


def _needed(piece: str) -> bool:
    return piece in SPECIAL or len(piece.removeprefix(CONTINUES)) == 1


def _renumber(content: dict[str, Any], news: dict[str, int]) -> None:
    content["added_tokens"] = [
        {**token, "id": news[token["content"]]}
        for token in content["added_tokens"]
        if token["content"] in news
    ]
    for special in ((content.get("post_processor") or {}).get("special_tokens") or {}).values():
        special["ids"] = [news[piece] for piece in special["tokens"]]
