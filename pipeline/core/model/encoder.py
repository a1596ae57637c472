"""The encoder of a family, without its pooler, with given or random weights."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

import torch
from torch import Tensor

from pipeline.base.errors import ConfigError, Fault
from pipeline.core.model.families import MOST_LAYERS, family_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    Encoder: TypeAlias = PreTrainedModel

# The entry of config.json by which a classifier divides a long row of tokens into windows.
WINDOW_TOKENS = "window_tokens"
# A config's defaults are those of one vocabulary, and an encoder uses none of them.
NO_TOKEN_IDS = dict.fromkeys(("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"))

# Of a weight that is trained, in float32: itself, its gradient, and two moments of the optimizer.
BYTES_TRAINED = 16


class EncoderSettings(TypedDict):
    """The entries of config.json that make a BERT encoder, as transformers names them.

    Other families have others (core/model/families.py).
    """

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
    *,
    vocabulary: int,
    width: int,
    layers: int,
    heads: int,
    feed_forward: int,
    max_tokens: int,
    memory: int | None = None,
) -> EncoderSettings:
    """Return the config of an encoder that starts from random weights.

    Raises ConfigError for a shape that no encoder has, or that a machine with so many bytes cannot hold.
    """
    weights = (vocabulary + max_tokens) * width + layers * width * (4 * width + 2 * feed_forward)
    _require_shape(width, layers, heads, weights=weights, memory=memory)
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


def _require_shape(width: int, layers: int, heads: int, *, weights: int, memory: int | None) -> None:
    if width % heads:
        raise ConfigError(
            f"encoder.scratch: a width of {width} is not divided by {heads} heads. Write "
            f"`width: {-(-width // heads) * heads}` there into params.yaml, or other `heads`."
        )
    if layers > MOST_LAYERS:
        raise ConfigError(
            f"encoder.scratch: no encoder of {layers:,} layers can be trained. Write fewer `layers` "
            f"({MOST_LAYERS:,} at most) there into params.yaml."
        )
    if memory and BYTES_TRAINED * weights > memory:
        raise ConfigError(
            f"encoder.scratch: {layers:,} layers of width {width:,} have {weights / 1e6:,.0f} million "
            f"weights, and training takes {BYTES_TRAINED} bytes for each; this machine has "
            f"{memory / 1e9:,.0f} GB. Write fewer `layers` or a smaller `width` there into params.yaml."
        )


def build_encoder(
    config: Mapping[str, Any], *, dropout: float, seed: int, weights: Mapping[str, Tensor] | None = None
) -> "Encoder":
    """Build an encoder with the given weights, or with random ones from `seed`.

    Raises Fault that names the weights that do not fit.
    """
    torch.manual_seed(seed)
    encoder = empty_encoder(config, dropout=dropout)
    if weights is not None:
        wrong = encoder.load_state_dict(dict(weights), strict=False)
        if wrong.missing_keys or wrong.unexpected_keys:
            raise Fault(
                f"The weights do not fit the encoder: missing {wrong.missing_keys[:3]}, "
                f"unexpected {wrong.unexpected_keys[:3]}."
            )
    return encoder


def empty_encoder(config: Mapping[str, Any], *, dropout: float = 0.0) -> "Encoder":
    """Build an encoder with random weights from torch's generator, without its pooler."""
    from transformers import AutoConfig, AutoModel

    family = family_of(config["model_type"])
    settings = {**config, **dict.fromkeys(family.dropout, dropout), **NO_TOKEN_IDS}
    options = {"add_pooling_layer": False} if family.pooled else {}
    # No code of a model is run: the config holds the entries of an allow-list alone.
    encoder: Encoder = AutoModel.from_config(AutoConfig.for_model(**settings), **options)
    return encoder


def hidden_states(encoder: "Encoder", tokens_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Return the last hidden states (B x T x D); padding gets the id that the encoder knows it by."""
    padding: int = encoder.config.pad_token_id or 0
    if padding:
        tokens_BT = tokens_BT.masked_fill(mask_BT == 0, padding)
    hidden_BTD: Tensor = encoder(input_ids=tokens_BT, attention_mask=mask_BT).last_hidden_state
    return hidden_BTD


def word_embeddings(encoder: "Encoder") -> Tensor:
    """Return the table of word embeddings (V x E)."""
    weight_VE: Tensor = encoder.get_input_embeddings().weight
    return weight_VE
