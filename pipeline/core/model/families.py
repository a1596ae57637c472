"""The families of encoders that a model may start from: what is read of their configs and weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field

# The names of an activation in a config, and how ONNX computes it: Gelu by this approximation, or Relu.
ACTIVATIONS: Mapping[str, str] = {
    "gelu": "none",
    "gelu_new": "tanh",
    "gelu_pytorch_tanh": "tanh",
    "relu": "relu",
}
# No encoder that fits a machine has a dimension above it.
LARGEST = 10_000_000
# Nor has one more layers; each is a module of its own, which takes time to make.
MOST_LAYERS = 1_000
# What fits the weights of an encoder and would make another one of them.
LEAST: Mapping[str, float] = {"local_attention": 1, "layer_norm_eps": 0.0, "norm_eps": 0.0}
MOST: Mapping[str, int] = {"num_hidden_layers": MOST_LAYERS, "n_layers": MOST_LAYERS}
# Attention from contents to positions and from positions to contents; older configs join them by "|".
POSITION_KINDS = ("c2p", "p2c")
BODY = (
    "model_type",
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
    "hidden_act",
    "layer_norm_eps",
    "initializer_range",
    "pad_token_id",
)
BODY_DROPOUT = ("hidden_dropout_prob", "attention_probs_dropout_prob")


@dataclass(frozen=True)
class Family:
    """Describe a family: the allow-list of its config, and its names in a published file of weights.

    `prefix` begins the names of the encoder's tensors where the file holds a head as well. `heads` begin the
    names of tensors of heads. `word_head` maps the parts of a published word head to ours.
    """

    title: str
    keys: tuple[str, ...] = BODY
    dropout: tuple[str, ...] = BODY_DROPOUT
    prefix: str = ""
    heads: tuple[str, ...] = ("cls.", "classifier.", "pooler.", "qa_outputs.")
    word_head: Mapping[str, str] = field(default_factory=dict)
    activation: str = "hidden_act"
    # Without a pooler, where the class has one.
    pooled: bool = True
    # Positions are counted from behind the id of padding.
    offset_positions: bool = False
    prunable: bool = False
    # Entries that older configs have in place of `keys`.
    earlier_keys: tuple[str, ...] = ()
    # Tensors that a published file holds although this encoder may do without.
    spare: tuple[str, ...] = ()


def _word_head(dense: str, norm: str, bias: str) -> dict[str, str]:
    return {
        f"{dense}.weight": "transform.0.weight",
        f"{dense}.bias": "transform.0.bias",
        f"{norm}.weight": "transform.2.weight",
        f"{norm}.bias": "transform.2.bias",
        bias: "bias",
    }


_BERT_HEAD = _word_head(
    "cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias"
)
_ROBERTA_HEAD = _word_head("lm_head.dense", "lm_head.layer_norm", "lm_head.bias")
_ROBERTA_HEADS = ("lm_head.", "classifier.", "pooler.", "qa_outputs.")

# By the `model_type` of config.json.
FAMILIES: Mapping[str, Family] = {
    "bert": Family("BERT", prefix="bert.", word_head=_BERT_HEAD, prunable=True),
    "roberta": Family(
        "RoBERTa",
        prefix="roberta.",
        heads=_ROBERTA_HEADS,
        word_head=_ROBERTA_HEAD,
        offset_positions=True,
        prunable=True,
    ),
    "xlm-roberta": Family(
        "XLM-R",
        prefix="roberta.",
        heads=_ROBERTA_HEADS,
        word_head=_ROBERTA_HEAD,
        offset_positions=True,
        prunable=True,
    ),
    "electra": Family(
        "ELECTRA",
        keys=(*BODY, "embedding_size"),
        prefix="electra.",
        heads=(
            *("generator_predictions.", "generator_lm_head.", "discriminator_predictions."),
            *("classifier.", "qa_outputs.", "sequence_summary."),
        ),
        word_head=_word_head(
            "generator_predictions.dense", "generator_predictions.LayerNorm", "generator_lm_head.bias"
        ),
        pooled=False,
        prunable=True,
    ),
    "distilbert": Family(
        "DistilBERT",
        keys=(
            *("model_type", "vocab_size", "dim", "n_layers", "n_heads", "hidden_dim"),
            *("max_position_embeddings", "activation", "initializer_range", "pad_token_id"),
        ),
        dropout=("dropout", "attention_dropout"),
        prefix="distilbert.",
        heads=("vocab_", "pre_classifier.", "classifier.", "qa_outputs."),
        word_head=_word_head("vocab_transform", "vocab_layer_norm", "vocab_projector.bias"),
        activation="activation",
        pooled=False,
    ),
    "mpnet": Family(
        "MPNet",
        keys=(*(key for key in BODY if key != "type_vocab_size"), "relative_attention_num_buckets"),
        prefix="mpnet.",
        heads=_ROBERTA_HEADS,
        word_head=_ROBERTA_HEAD,
        offset_positions=True,
    ),
    "deberta-v2": Family(
        "DeBERTa-v2/v3",
        keys=(
            *BODY,
            *("relative_attention", "max_relative_positions", "position_biased_input", "pos_att_type"),
            *("position_buckets", "norm_rel_ebd", "share_att_key"),
        ),
        prefix="deberta.",
        heads=("cls.", "lm_predictions.", "mask_predictions.", "classifier.", "pooler.", "qa_outputs."),
        word_head=_BERT_HEAD,
        pooled=False,
        spare=("embeddings.position_embeddings.weight",),
    ),
    "modernbert": Family(
        "ModernBERT",
        keys=(
            *("model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"),
            *("intermediate_size", "max_position_embeddings", "hidden_activation", "norm_eps", "norm_bias"),
            *("initializer_range", "pad_token_id", "attention_bias", "mlp_bias", "local_attention"),
            *("layer_types", "rope_parameters"),
        ),
        dropout=("attention_dropout", "embedding_dropout", "mlp_dropout"),
        prefix="model.",
        heads=("head.", "decoder.", "classifier."),
        word_head=_word_head("head.dense", "head.norm", "decoder.bias"),
        activation="hidden_activation",
        pooled=False,
        earlier_keys=("global_attn_every_n_layers", "global_rope_theta", "local_rope_theta"),
    ),
}
TITLES = ", ".join(family.title for family in FAMILIES.values())


def allows(key: str, value: object) -> bool:
    """Return whether an entry of a config is one that an encoder can have."""
    if key == "pos_att_type" and value is not None:
        kinds = [one.strip() for one in value.lower().split("|")] if isinstance(value, str) else value
        return isinstance(kinds, list) and all(kind in POSITION_KINDS for kind in kinds)
    if isinstance(value, list):
        return all(allows(key, one) for one in value)
    if isinstance(value, int | float):
        return LEAST.get(key, -LARGEST) <= value <= MOST.get(key, LARGEST)
    return True


def family_of(model_type: object) -> Family:
    """Return the family of the `model_type` of a config; raises KeyError for one that is not listed."""
    return FAMILIES[str(model_type)]
