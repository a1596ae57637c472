"""The heads on the encoder: one for masked words, one for labels.

Shapes: B texts, T tokens, M masked tokens, D width, V vocabulary, L labels.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from pipeline.core.model.encoder import Encoder


class MaskedLanguageModel(nn.Module):
    """Predict masked words; the output layer shares the weights of the embedding (Press & Wolf, 2017)."""

    def __init__(self, encoder: "Encoder") -> None:
        super().__init__()
        width, vocabulary = encoder.config.hidden_size, encoder.config.vocab_size
        self.encoder = encoder
        dense = nn.Linear(width, width)
        nn.init.normal_(dense.weight, std=encoder.config.initializer_range)
        nn.init.zeros_(dense.bias)
        self.transform = nn.Sequential(dense, nn.GELU(), nn.LayerNorm(width, eps=1e-12))
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, tokens_BT: Tensor, mask_BT: Tensor, masked_BT: Tensor) -> Tensor:
        """Return logits_MV of the masked tokens alone, which takes a tenth of the time of all tokens."""
        hidden_BTD = self.encoder(input_ids=tokens_BT, attention_mask=mask_BT).last_hidden_state
        hidden_MD = self.transform(hidden_BTD[masked_BT])
        logits_MV: Tensor = hidden_MD @ self.encoder.embeddings.word_embeddings.weight.T + self.bias
        return logits_MV


class Classifier(nn.Module):
    """Compute logits of labels from the mean of the hidden states, the pooling MiniLM was trained with."""

    def __init__(self, encoder: "Encoder", labels: int, *, dropout: float, seed: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.config.hidden_size, labels)
        # Small weights, so that the first loss is ln(labels).
        nn.init.normal_(self.head.weight, std=0.02, generator=torch.Generator().manual_seed(seed))
        nn.init.zeros_(self.head.bias)

    def forward(self, tokens_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """Return logits_BL."""
        hidden_BTD = self.encoder(input_ids=tokens_BT, attention_mask=mask_BT).last_hidden_state
        weight_BT1 = mask_BT.unsqueeze(-1).to(hidden_BTD.dtype)
        mean_BD = (hidden_BTD * weight_BT1).sum(1) / weight_BT1.sum(1)
        logits_BL: Tensor = self.head(self.dropout(mean_BD))
        return logits_BL
