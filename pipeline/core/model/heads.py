"""What stands on the encoder: a head that guesses masked words, a head that gives labels.

Shapes: B texts, T tokens, M masked tokens, D width, V vocabulary, L labels.
"""

from typing import Any

import torch
from torch import Tensor, nn


class MaskedWords(nn.Module):
    """Guess the words that were masked; the output layer shares the embedding's weights (Press & Wolf, 2017)."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        width, vocabulary = encoder.config.hidden_size, encoder.config.vocab_size
        self.encoder = encoder
        first = nn.Linear(width, width)
        nn.init.normal_(first.weight, std=encoder.config.initializer_range)
        nn.init.zeros_(first.bias)
        self.transform = nn.Sequential(first, nn.GELU(), nn.LayerNorm(width, eps=1e-12))
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, tokens_BT: Tensor, mask_BT: Tensor, masked_BT: Tensor) -> Tensor:
        """Give logits_MV, for the masked tokens only: the rest would cost ten times as much and be thrown away."""
        hidden_BTD = self.encoder(input_ids=tokens_BT, attention_mask=mask_BT).last_hidden_state
        hidden_MD = self.transform(hidden_BTD[masked_BT])
        logits_MV: Tensor = hidden_MD @ self.encoder.embeddings.word_embeddings.weight.T + self.bias
        return logits_MV


class Classifier(nn.Module):
    """Give one logit a label from the mean of the hidden states, which is how MiniLM's weights were trained to be read."""

    def __init__(self, encoder: Any, labels: int, *, dropout: float, seed: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.config.hidden_size, labels)
        # Small weights: the first loss is ln(labels), not the confidence of chance.
        nn.init.normal_(self.head.weight, std=0.02, generator=torch.Generator().manual_seed(seed))
        nn.init.zeros_(self.head.bias)

    def forward(self, tokens_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """Give logits_BL."""
        hidden_BTD = self.encoder(input_ids=tokens_BT, attention_mask=mask_BT).last_hidden_state
        weight_BT1 = mask_BT.unsqueeze(-1).to(hidden_BTD.dtype)
        mean_BD = (hidden_BTD * weight_BT1).sum(1) / weight_BT1.sum(1)
        logits_BL: Tensor = self.head(self.dropout(mean_BD))
        return logits_BL
