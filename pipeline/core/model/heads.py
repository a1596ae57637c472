"""The heads on the encoder: one for masked words, one for labels.

Shapes: B texts, T tokens, W windows of all texts, M masked tokens, D width, E width of the word embeddings,
V vocabulary, L labels.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.core.model.encoder import WINDOW_TOKENS, build_encoder, hidden_states, word_embeddings

if TYPE_CHECKING:
    from pipeline.core.model.encoder import Encoder


NEW_NORM_EPSILON = 1e-12


class MaskedLanguageModel(nn.Module):
    """Predict masked words; the output layer shares the weights of the embedding (Press & Wolf, 2017).

    `word_head` holds the weights of a published head by the names of this one; what it lacks is new.
    """

    def __init__(self, encoder: "Encoder", word_head: Mapping[str, Tensor] | None = None) -> None:
        super().__init__()
        width, (vocabulary, inner) = encoder.config.hidden_size, word_embeddings(encoder).shape
        self.encoder = encoder
        dense = nn.Linear(width, inner)
        nn.init.normal_(dense.weight, std=encoder.config.initializer_range)
        nn.init.zeros_(dense.bias)
        epsilon = norm_epsilon(encoder) if word_head else NEW_NORM_EPSILON
        self.transform = nn.Sequential(dense, nn.GELU(), nn.LayerNorm(inner, eps=epsilon))
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        if word_head:
            self.load_state_dict(dict(word_head), strict=False)

    def forward(self, tokens_BT: Tensor, mask_BT: Tensor, masked_BT: Tensor) -> Tensor:
        """Return logits_MV of the masked tokens alone, which takes a tenth of the time of all tokens."""
        return self.word_logits(hidden_states(self.encoder, tokens_BT, mask_BT), masked_BT)

    def word_logits(self, hidden_BTD: Tensor, wanted_BT: Tensor) -> Tensor:
        """Return logits_MV of the wanted tokens, by the weights of the embeddings."""
        hidden_ME = self.transform(hidden_BTD[wanted_BT])
        logits_MV: Tensor = hidden_ME @ word_embeddings(self.encoder).T + self.bias
        return logits_MV


def norm_epsilon(encoder: "Encoder") -> float:
    """Return the epsilon of the norms of a family, which its word head has too."""
    config = encoder.config
    return float(getattr(config, "layer_norm_eps", getattr(config, "norm_eps", NEW_NORM_EPSILON)))


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
        """Return logits_BL; of texts of several windows the mean over the windows."""
        window = getattr(self.encoder.config, WINDOW_TOKENS, None)
        if window is None or tokens_BT.shape[1] <= window:
            return self._logits(tokens_BT, mask_BT)
        filled = -tokens_BT.shape[1] % window
        tokens_BNT, mask_BNT = (
            functional.pad(values_BT, (0, filled)).reshape(len(values_BT), -1, window)
            for values_BT in (tokens_BT, mask_BT)
        )
        used_BN = mask_BNT.any(dim=2)
        logits_WL = self._logits(tokens_BNT[used_BN], mask_BNT[used_BN])
        texts_W = used_BN.nonzero()[:, 0]
        sums_BL = logits_WL.new_zeros(len(tokens_BT), logits_WL.shape[1]).index_add(0, texts_W, logits_WL)
        logits_BL: Tensor = sums_BL / used_BN.sum(dim=1, keepdim=True)
        return logits_BL

    def _logits(self, tokens_BT: Tensor, mask_BT: Tensor) -> Tensor:
        hidden_BTD = hidden_states(self.encoder, tokens_BT, mask_BT)
        weight_BT1 = mask_BT.unsqueeze(-1).to(hidden_BTD.dtype)
        mean_BD = (hidden_BTD * weight_BT1).sum(1) / weight_BT1.sum(1)
        logits_BL: Tensor = self.head(self.dropout(mean_BD))
        return logits_BL


class SentenceEncoder(Classifier):
    """Compute the vector of a text that a classifier gets: the mean of the hidden states."""

    def __init__(self, encoder: "Encoder", *, dropout: float) -> None:
        super().__init__(encoder, 1, dropout=dropout, seed=0)
        self.head = nn.Identity()  # type: ignore[assignment]


def trained_classifier(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Classifier:
    """Build a classifier with the weights of a trained one, to predict with; they say how many labels."""
    model = Classifier(
        build_encoder(config, dropout=0.0, seed=0), len(weights["head.bias"]), dropout=0.0, seed=0
    )
    model.load_state_dict(dict(weights))
    return model.eval()
