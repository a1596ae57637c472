"""Explain a prediction by integrated gradients: the part of each word in the logit of the label.

From the text with every piece masked to the text itself, over the word embeddings (Sundararajan, Taly and
Yan, 2017), by captum, on the uncompressed classifier of a release.
Shapes: W windows of a text, T tokens, E width of the word embeddings.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from pipeline.core.explain.occlusion import Explanation, WordImportance
from pipeline.core.model.heads import Classifier
from pipeline.core.model.predictor import Predictor
from pipeline.core.model.special_tokens import mask_id, padding_id, unknown_id
from pipeline.core.model.tokenizer import PieceSpan, encode_with_spans, max_tokens, split_windows

# Points of the path from the masked text; more of them until the parts add up.
STEPS = (32, 128, 512)
# So many are in memory with all their activations.
POINTS_AT_ONCE = 16
# Of the difference of the logits, what the parts may miss.
TOLERANCE = 0.01


@dataclass(frozen=True)
class TorchTwin:
    """Hold the uncompressed classifier of a release, its tokenizer, and what is read of a long text."""

    model: Classifier
    tokenizer: Tokenizer
    long_texts: str


@dataclass(frozen=True)
class TokenParts:
    """Hold the tokens that are read of a text, and the part of each in the difference of two logits.

    The `difference` is that of the text to the masked text; the parts add up to it.
    """

    pieces: tuple[PieceSpan, ...]
    parts: tuple[float, ...]
    difference: float


def explain_by_gradients(predictor: Predictor, twin: TorchTwin, text: str) -> Explanation:
    """Predict a text, and divide the logit of the label, above that of the masked text, between its words.

    A positive weight supports the label, a negative one opposes it. A word of which no token is read has the
    weight 0, and none behind the last one that is read.
    """
    cleaned = predictor.prepare(text)
    predictions = predictor.predict_cleaned([cleaned])
    label = predictor.labels.index(predictions.labels[0])
    found = attribute_tokens(twin, cleaned, label)
    words = list(re.finditer(r"\S+", cleaned))
    weights = _word_weights([match.end() for match in words], found)
    return Explanation(
        method="gradients",
        label=predictions.labels[0],
        uncertain=predictions.uncertain[0],
        cut=predictions.cut[0],
        max_tokens=predictor.max_tokens,
        probabilities=dict(zip(predictor.labels, predictions.probabilities[0].tolist(), strict=True)),
        words=tuple(
            WordImportance(match.group(), weight) for match, weight in zip(words, weights, strict=False)
        ),
        further=len(words) - len(weights),
    )


def attribute_tokens(twin: TorchTwin, cleaned: str, label: int) -> TokenParts:
    """Divide the logit of a label, above that of the masked text, between the tokens of a cleaned text."""
    pieces = encode_with_spans(twin.tokenizer, cleaned, twin.long_texts)
    if not any(piece.end for piece in pieces):
        return TokenParts(tuple(pieces), (0.0,) * len(pieces), 0.0)
    blank = _blank(twin.tokenizer)
    windows, _ = split_windows([[piece.token for piece in pieces]], max_tokens(twin.tokenizer))
    masked, _ = split_windows(
        [[blank if piece.end else piece.token for piece in pieces]], max_tokens(twin.tokenizer)
    )
    tokens_WT, masked_WT = torch.tensor(windows), torch.tensor(masked)
    with torch.no_grad():
        difference = float((_logits(twin.model, tokens_WT) - _logits(twin.model, masked_WT))[:, label].mean())
    for steps in STEPS:
        parts = _integrate(twin.model, tokens_WT, masked_WT, label, steps=steps)
        if abs(sum(parts) - difference) <= TOLERANCE * abs(difference):
            break
    return TokenParts(tuple(pieces), tuple(parts), difference)


def _integrate(
    model: Classifier, tokens_WT: Tensor, masked_WT: Tensor, label: int, *, steps: int
) -> list[float]:
    """Return the part of each token; a text's logit is the mean over its windows."""
    from captum.attr import LayerIntegratedGradients

    gradients = LayerIntegratedGradients(
        lambda tokens: _logits(model, tokens), model.encoder.get_input_embeddings()
    )
    parts: list[float] = []
    for row in range(len(tokens_WT)):
        window_1T, masked_1T = tokens_WT[row : row + 1], masked_WT[row : row + 1]
        parts_1TE = gradients.attribute(
            window_1T, masked_1T, target=label, n_steps=steps, internal_batch_size=POINTS_AT_ONCE
        )
        parts += (parts_1TE.detach().sum(2)[0] / len(tokens_WT)).tolist()
    return parts


def _logits(model: Classifier, tokens_BT: Tensor) -> Tensor:
    logits_BL: Tensor = model(tokens_BT, torch.ones_like(tokens_BT))
    return logits_BL


def _blank(tokenizer: Tokenizer) -> int:
    """Return the token that stands for no word: the one that pretraining masks words with."""
    candidates = (mask_id(tokenizer), unknown_id(tokenizer), padding_id(tokenizer))
    return next((number for number in candidates if number is not None), 0)


def _word_weights(ends: Sequence[int], found: TokenParts) -> list[float]:
    """Return the sum of the parts of each word's tokens, given where the words end, to the last one read."""
    weights = [0.0] * len(ends)
    read = 0
    for piece, part in zip(found.pieces, found.parts, strict=True):
        if piece.end:
            # A piece may begin with the space before its word, and never ends behind it.
            word = next((number for number, end in enumerate(ends) if piece.end <= end), len(ends) - 1)
            weights[word] += part
            read = max(read, word + 1)
    return weights[:read]
