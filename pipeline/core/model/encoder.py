"""The encoder: a BERT body without its pooler, from given weights or from chance."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pipeline.base.errors import Fault

# Keys that a sentence encoder carries and this body does not have.
SPARE = ("pooler.", "embeddings.position_ids")


def scratch_config(
    *, vocabulary: int, width: int, layers: int, heads: int, feed_forward: int, max_tokens: int
) -> dict[str, Any]:
    """Describe an encoder that does not exist yet."""
    return {
        "model_type": "bert",
        "vocab_size": vocabulary,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": feed_forward,
        "max_position_embeddings": max_tokens,
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "initializer_range": 0.02,
        "pad_token_id": 0,
    }


def build_encoder(
    config: Mapping[str, Any], *, dropout: float, seed: int, weights: Mapping[str, Tensor] | None = None
) -> Any:
    """Build the body; random weights come from `seed`, given ones must fit exactly.

    Raises Fault that names the keys which do not fit.
    """
    from transformers import BertConfig, BertModel

    settings = {**config, "hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    torch.manual_seed(seed)
    encoder = BertModel(BertConfig.from_dict(settings), add_pooling_layer=False)
    if weights is not None:
        kept = {name: value for name, value in weights.items() if not name.startswith(SPARE)}
        wrong = encoder.load_state_dict(kept, strict=False)
        if wrong.missing_keys or wrong.unexpected_keys:
            raise Fault(
                f"The weights do not fit the encoder: missing {wrong.missing_keys[:3]}, unexpected {wrong.unexpected_keys[:3]}."
            )
    return encoder


def encoder_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of a published description only what makes an encoder: no names, no paths, no code to load."""
    keys = scratch_config(vocabulary=1, width=1, layers=1, heads=1, feed_forward=1, max_tokens=1)
    return {key: config[key] for key in keys}
