"""Language models beside that of masked words: packed texts, the next word, pairs of sentences, tokens.

`texts_BT` numbers the texts of a row from 1, in their order, and is 0 at padding: a mask of 1 is a row of one
text. Shapes: B rows, T tokens, M wanted tokens, D width, V vocabulary, L labels.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.base.errors import ConfigError
from pipeline.core.model.heads import MaskedLanguageModel, norm_epsilon

if TYPE_CHECKING:
    from pipeline.core.model.encoder import Encoder

SENTENCES = 2


def require_bert(config: Mapping[str, object], *, pairs: bool = False) -> None:
    """Raise ConfigError for an encoder of another family: its positions and masks are not those of BERT.

    And where `pairs` are to be learnt, for one that does not tell two sentences apart.
    """
    if config["model_type"] != "bert":
        raise ConfigError(
            f"The encoder is a {config['model_type']}, and packed texts, the next word and pairs of "
            "sentences are learnt by BERT alone. Write `objective: masked_words` and `batch_tokens: null` "
            "under `pretrain` in params.yaml."
        )
    if pairs and int(str(config["type_vocab_size"])) < SENTENCES:
        raise ConfigError(
            "The encoder has no second `type_vocab_size` in its config.json, and pairs of sentences need it. "
            "Write `objective: masked_words` under `pretrain` in params.yaml."
        )


def encode_packed(encoder: "Encoder", tokens_BT: Tensor, texts_BT: Tensor, *, causal: bool = False) -> Tensor:
    """Return hidden_BTD of rows of several texts, equal to those of each text alone.

    A token attends to its own text, and where `causal` to no later token; positions begin anew in each text.
    """
    # Padding attends to padding: a token that attends to nothing would be no number.
    attention_BTT = texts_BT.unsqueeze(2) == texts_BT.unsqueeze(1)
    if causal:
        attention_BTT = attention_BTT.tril()
    hidden_BTD: Tensor = encoder(
        input_ids=tokens_BT, attention_mask=attention_BTT.unsqueeze(1), position_ids=_positions(texts_BT)
    ).last_hidden_state
    return hidden_BTD


def _positions(texts_BT: Tensor) -> Tensor:
    place_T = torch.arange(texts_BT.shape[1], device=texts_BT.device)
    begins_BT = torch.ones_like(texts_BT, dtype=torch.bool)
    begins_BT[:, 1:] = texts_BT[:, 1:] != texts_BT[:, :-1]
    positions_BT = place_T - torch.where(begins_BT, place_T, 0).cummax(1).values
    # Padding may be longer than the longest text.
    return torch.where(texts_BT > 0, positions_BT, 0)


class PackedMaskedLanguageModel(MaskedLanguageModel):
    """Predict masked words in rows of several texts."""

    def forward(self, tokens_BT: Tensor, texts_BT: Tensor, wanted_BT: Tensor) -> Tensor:
        """Return logits_MV of the masked tokens."""
        return self.word_logits(encode_packed(self.encoder, tokens_BT, texts_BT), wanted_BT)


class CausalLanguageModel(MaskedLanguageModel):
    """Predict the next word; the output layer shares the weights of the embedding."""

    def __init__(self, encoder: "Encoder", word_head: Mapping[str, Tensor] | None = None) -> None:
        super().__init__(encoder, word_head)
        # Whether its weights come now or later, its norm is that of the encoder.
        norm = self.transform[-1]
        assert isinstance(norm, nn.LayerNorm)
        norm.eps = norm_epsilon(encoder)

    def forward(self, tokens_BT: Tensor, texts_BT: Tensor, wanted_BT: Tensor | None = None) -> Tensor:
        """Return logits_MV of what follows the wanted tokens, or every token that is no padding."""
        wanted_BT = texts_BT > 0 if wanted_BT is None else wanted_BT
        return self.word_logits(encode_packed(self.encoder, tokens_BT, texts_BT, causal=True), wanted_BT)


class SentencePairModel(MaskedLanguageModel):
    """Predict masked words, and from the first token how two sentences belong together."""

    def __init__(self, encoder: "Encoder", word_head: Mapping[str, Tensor] | None = None) -> None:
        super().__init__(encoder, word_head)
        self.pair = nn.Linear(encoder.config.hidden_size, 2)
        nn.init.normal_(self.pair.weight, std=encoder.config.initializer_range)
        nn.init.zeros_(self.pair.bias)

    def forward(  # type: ignore[override]
        self, tokens_BT: Tensor, mask_BT: Tensor, types_BT: Tensor, wanted_BT: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return logits_MV of the masked tokens and logits_B2 of the pairs; `types_BT` is 1 in the second."""
        hidden_BTD = self.encoder(
            input_ids=tokens_BT, attention_mask=mask_BT, token_type_ids=types_BT
        ).last_hidden_state
        return self.word_logits(hidden_BTD, wanted_BT), self.pair(hidden_BTD[:, 0])


class TokenClassifier(nn.Module):
    """Compute logits of labels for each token."""

    def __init__(self, encoder: "Encoder", labels: int, *, dropout: float, seed: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.config.hidden_size, labels)
        nn.init.normal_(self.head.weight, std=0.02, generator=torch.Generator().manual_seed(seed))
        nn.init.zeros_(self.head.bias)

    def forward(self, tokens_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """Return logits_BTL."""
        hidden_BTD = self.encoder(input_ids=tokens_BT, attention_mask=mask_BT).last_hidden_state
        logits_BTL: Tensor = self.head(self.dropout(hidden_BTD))
        return logits_BTL


def sample_text(
    model: CausalLanguageModel,
    beginning: list[int],
    *,
    tokens: int,
    end_id: int,
    temperature: float,
    seed: int,
) -> list[int]:
    """Continue a text by at most `tokens` tokens, up to the one that ends it; 0 takes the best each time."""
    generator = torch.Generator().manual_seed(seed)
    ids = list(beginning)
    longest = int(model.encoder.config.max_position_embeddings)
    model.eval()
    with torch.inference_mode():
        for _ in range(min(tokens, longest - len(ids))):
            tokens_BT = torch.tensor([ids])
            wanted_BT = torch.zeros_like(tokens_BT, dtype=torch.bool)
            wanted_BT[0, -1] = True
            logits_V = model(tokens_BT, torch.ones_like(tokens_BT), wanted_BT)[0]
            if temperature == 0:
                ids.append(int(logits_V.argmax()))
            else:
                chances_V = torch.softmax(logits_V / temperature, dim=0)
                ids.append(int(torch.multinomial(chances_V, 1, generator=generator)))
            if ids[-1] == end_id:
                break
    return ids
