"""Export a classifier to ONNX, node by node: only what inference needs, and equal bytes on every machine.

torch's exporter leaves paths in every node, takes ten seconds a model, and splits attention into nodes that
no runtime fuses again for a pruned layer. A layer is forty lines of nodes, so they are here.
Shapes: B texts, T tokens, D width, H heads, E width of a head, F channels, L labels; a matrix is out x in, as
in torch.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.compress.layer_parts import LayerParts, layer_parts, layers_of
from pipeline.core.compress.onnx_distances import AttentionBias, attention_bias
from pipeline.core.compress.onnx_embeddings import embedded
from pipeline.core.compress.onnx_graph import (
    CONTRIB,
    FAR_BELOW,
    FLOAT,
    NEXT_LOGITS,
    TOKEN_LOGITS,
    Float32,
    Matrix,
    OnnxGraph,
    Part,
    Precision,
    linear_weights,
    normed,
    to_numpy,
)
from pipeline.core.compress.onnx_modern import modern_layers
from pipeline.core.model.encoder import word_embeddings
from pipeline.core.model.families import ACTIVATIONS, family_of
from pipeline.core.model.language_models import CausalLanguageModel, TokenClassifier

if TYPE_CHECKING:
    from torch import nn


def export_onnx(model: "nn.Module", *, max_tokens: int, precision: Precision | None = None) -> bytes:
    """Export a classifier to ONNX, by default in Float32.

    Inputs: `tokens` and `mask` (texts x tokens, int64; at most `max_tokens` tokens). Outputs: `logits` (texts
    x labels) and `pooled` (texts x width), the input of the head, computed only when it is requested. Of a
    classifier of tokens `token_logits` (texts x tokens x labels), and `pooled` is the mean of its inputs. Of
    a causal language model `token_logits`, and `next_logits` (texts x vocabulary) of what follows the last.
    """
    encoder: Part = model.encoder
    graph, precision = OnnxGraph(), precision or Float32()
    counted = graph.node("Cast", "mask", to=FLOAT)
    ahead = graph.node(
        "Mul",
        graph.node("Sub", counted, graph.constant("one", np.float32(1))),
        graph.constant("far", np.float32(FAR_BELOW)),
    )
    padding_B11T = graph.node("Unsqueeze", ahead, graph.integers(1, 2))
    if isinstance(model, CausalLanguageModel):
        padding_B11T = graph.node("Add", padding_B11T, _later_tokens(graph, max_tokens))
    hidden_BTD = embedded(graph, encoder, precision, max_tokens)
    if encoder.config.model_type == "modernbert":
        hidden_BTD = modern_layers(graph, encoder, hidden_BTD, padding_B11T, precision, max_tokens=max_tokens)
    else:
        hidden_BTD = _layers(graph, encoder, hidden_BTD, padding_B11T, precision, max_tokens=max_tokens)
    total_BD = graph.node(
        "ReduceSum",
        graph.node("Mul", hidden_BTD, graph.node("Unsqueeze", counted, graph.integers(2))),
        graph.integers(1),
        keepdims=0,
    )
    mean_BD = graph.node(
        "Div", total_BD, graph.node("ReduceSum", counted, graph.integers(1), keepdims=1), out="pooled"
    )
    if isinstance(model, CausalLanguageModel):
        words, width = _word_head(graph, model, hidden_BTD, precision), encoder.config.hidden_size
        return graph.model({**dict.fromkeys(words, encoder.config.vocab_size), "pooled": width})
    head: Part = model.head
    weight, bias = to_numpy(head.weight), graph.constant("head.bias", to_numpy(head.bias))
    if isinstance(model, TokenClassifier):
        turned = graph.constant("head.weight", np.ascontiguousarray(weight.T))
        output = TOKEN_LOGITS
        graph.node("Add", graph.node("MatMul", hidden_BTD, turned), bias, out=output)
    else:
        output = "logits"
        graph.node("Gemm", mean_BD, graph.constant("head.weight", weight), bias, out=output, transB=1)
    return graph.model({output: len(weight), "pooled": len(weight[0])})


def _later_tokens(graph: OnnxGraph, max_tokens: int) -> str:
    """Add what hides later tokens from each (1 x 1 x T x T)."""
    later_TT = np.triu(np.full((max_tokens, max_tokens), -FAR_BELOW, dtype=np.float32), k=1)
    length = graph.node("Shape", "tokens", start=1)
    both = graph.node("Concat", length, length, axis=0)
    return graph.node(
        "Slice", graph.constant("later", later_TT), graph.integers(0, 0), both, graph.integers(0, 1)
    )


def _word_head(
    graph: OnnxGraph, model: CausalLanguageModel, hidden_BTD: str, precision: Precision
) -> tuple[str, str]:
    """Add the word head behind all tokens, and behind the last one alone; return both outputs."""
    dense, _, norm = model.transform
    words_VE, bias_V = to_numpy(word_embeddings(model.encoder)), to_numpy(model.bias)
    last_B1D = graph.node("Gather", hidden_BTD, graph.integers(-1), axis=1)
    last_BD = graph.node("Squeeze", last_B1D, graph.integers(1))
    for output, hidden in ((TOKEN_LOGITS, hidden_BTD), (NEXT_LOGITS, last_BD)):
        (changed,) = precision.products(graph, "word_head", hidden, [linear_weights(dense)])
        active = graph.node("Gelu", changed)
        ready = normed(graph, norm, active, None, "word_head.norm")
        precision.word_products(graph, ready, (words_VE, bias_V), out=output)
    return TOKEN_LOGITS, NEXT_LOGITS


def _layers(
    graph: OnnxGraph,
    encoder: Part,
    hidden_BTD: str,
    padding_B11T: str,
    precision: Precision,
    *,
    max_tokens: int,
) -> str:
    kind = encoder.config.model_type
    activation = ACTIVATIONS[getattr(encoder.config, family_of(kind).activation)]
    bias = attention_bias(graph, encoder, padding_B11T, max_tokens)
    for number, layer in enumerate(layers_of(encoder)):
        parts = layer_parts(kind, layer)
        name = f"layer.{number}"
        mixed_BTD = _attended(graph, layer, parts, hidden_BTD, bias=bias, precision=precision, name=name)
        hidden_BTD = normed(graph, parts.mixed_norm, mixed_BTD, hidden_BTD, f"{name}.mixed")
        (channels_BTF,) = precision.products(graph, f"{name}.channels", hidden_BTD, parts.channels)
        active_BTF = graph.activation(channels_BTF, activation)
        (fed_BTD,) = precision.products(graph, f"{name}.gelu", active_BTF, [linear_weights(parts.fed)])
        hidden_BTD = normed(graph, parts.fed_norm, fed_BTD, hidden_BTD, f"{name}.fed")
    return hidden_BTD


def _attended(
    graph: OnnxGraph,
    layer: Part,
    parts: LayerParts,
    hidden_BTD: str,
    *,
    bias: AttentionBias,
    precision: Precision,
    name: str,
) -> str:
    # A score is divided by the root of a head's width; here the query's weights are.
    scale = np.float32(bias.scale(parts.head_width))
    query: Matrix = (parts.query[0] * scale, parts.query[1] * scale)
    vectors = precision.products(graph, f"{name}.attention", hidden_BTD, [query, parts.key, parts.value])
    context_BTD = _context(graph, layer, parts, vectors, bias=bias, name=name)
    (mixed_BTD,) = precision.products(graph, f"{name}.context", context_BTD, [linear_weights(parts.context)])
    return mixed_BTD


def _context(
    graph: OnnxGraph,
    layer: Part,
    parts: LayerParts,
    vectors: Sequence[str],
    *,
    bias: AttentionBias,
    name: str,
) -> str:
    by_head = graph.integers(0, 0, -1, parts.head_width)
    query_BHTE, key_BHTE, value_BHTE = (
        graph.node("Transpose", graph.node("Reshape", vector_BTD, by_head), perm=[0, 2, 1, 3])
        for vector_BTD in vectors
    )
    scores_BHTT = graph.node("FusedMatMul", query_BHTE, key_BHTE, domain=CONTRIB, transB=1)
    scores_BHTT = bias.added(graph, layer, scores_BHTT, (query_BHTE, key_BHTE), name)
    attention_BHTT = graph.node("Softmax", scores_BHTT, axis=-1)
    context_BTHE = graph.node(
        "Transpose", graph.node("MatMul", attention_BHTT, value_BHTE), perm=[0, 2, 1, 3]
    )
    return graph.node("Reshape", context_BTHE, graph.integers(0, 0, len(parts.query[0])))
