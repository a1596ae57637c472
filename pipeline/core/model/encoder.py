"""The encoder: a BERT body without its pooler, with given or random weights."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias, TypedDict, cast

import torch
from torch import Tensor

from pipeline.base.errors import Fault

if TYPE_CHECKING:
    from transformers import BertModel

    Encoder: TypeAlias = BertModel

# Weights of a published sentence encoder that this body does not have.
UNUSED = ("pooler.", "embeddings.position_ids")


class EncoderSettings(TypedDict):
    """The entries of config.json that make an encoder, as transformers names them."""

    model_type: str
    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int
    hidden_act: str
    layer_norm_eps: float
    initializer_range: float
    pad_token_id: int


def scratch_config(
    *, vocabulary: int, width: int, layers: int, heads: int, feed_forward: int, max_tokens: int
) -> EncoderSettings:
    """Return the config of an encoder that starts from random weights."""
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
    config: EncoderSettings, *, dropout: float, seed: int, weights: Mapping[str, Tensor] | None = None
) -> "Encoder":
    """Build an encoder with the given weights, or with random ones from `seed`.

    Raises Fault that names the weights that do not fit.
    """
    from transformers import BertConfig, BertModel

    settings = {**config, "hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    torch.manual_seed(seed)
    encoder = BertModel(BertConfig.from_dict(settings), add_pooling_layer=False)
    if weights is not None:
        used = {name: value for name, value in weights.items() if not name.startswith(UNUSED)}
        wrong = encoder.load_state_dict(used, strict=False)
        if wrong.missing_keys or wrong.unexpected_keys:
            raise Fault(
                f"The weights do not fit the encoder: missing {wrong.missing_keys[:3]}, "
                f"unexpected {wrong.unexpected_keys[:3]}."
            )
    return encoder


def encoder_config(published: Mapping[str, object]) -> EncoderSettings:
    """Return the entries of a published config that make an encoder: no names, no paths, no code to load."""
    return cast(EncoderSettings, {key: published[key] for key in EncoderSettings.__annotations__})
