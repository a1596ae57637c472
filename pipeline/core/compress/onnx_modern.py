"""The layers of ModernBERT as nodes: norms before, rotated queries and keys, near tokens alone, gates.

Source: Warner et al., 2024; rotation: Su et al., 2021.
Shapes: B texts, T tokens, D width, H heads, E width of a head, F channels, R distances.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from pipeline.core.compress.layer_parts import LayerParts, layer_parts, layers_of
from pipeline.core.compress.onnx_distances import distances
from pipeline.core.compress.onnx_graph import (
    CONTRIB,
    FAR_BELOW,
    OnnxGraph,
    Part,
    Precision,
    linear_weights,
    normed,
    to_numpy,
)
from pipeline.core.model.families import ACTIVATIONS

# The rotation of a kind of layer: the outputs of cosines and sines, and the bias of its scores.
Rotation = tuple[str, str, str]


def modern_layers(
    graph: OnnxGraph,
    encoder: Part,
    hidden_BTD: str,
    padding_B11T: str,
    precision: Precision,
    *,
    max_tokens: int,
) -> str:
    """Add the nodes of all layers and of the last norm, and return the name of their output."""
    activation = ACTIVATIONS[encoder.config.hidden_activation]
    rotations: Mapping[str, Rotation] = {
        kind: _rotation(graph, encoder, kind, padding_B11T, max_tokens)
        for kind in sorted(set(encoder.config.layer_types))
    }
    for number, layer in enumerate(layers_of(encoder)):
        name, parts = f"layer.{number}", layer_parts("modernbert", layer)
        # The first layer has the norm of the embeddings.
        read = normed(graph, parts.mixed_norm, hidden_BTD, None, f"{name}.mixed") if number else hidden_BTD
        vectors = precision.products(graph, f"{name}.attention", read, [parts.query, parts.key, parts.value])
        context_BTD = _context(graph, parts, vectors, rotations[layer.attention_type])
        (mixed_BTD,) = precision.products(
            graph, f"{name}.context", context_BTD, [linear_weights(parts.context)]
        )
        hidden_BTD = graph.node("Add", hidden_BTD, mixed_BTD)
        read = normed(graph, parts.fed_norm, hidden_BTD, None, f"{name}.fed")
        channels_BTF, gate_BTF = precision.products(graph, f"{name}.channels", read, parts.channels)
        gated_BTF = graph.node("Mul", graph.activation(channels_BTF, activation), gate_BTF)
        (fed_BTD,) = precision.products(graph, f"{name}.gelu", gated_BTF, [linear_weights(parts.fed)])
        hidden_BTD = graph.node("Add", hidden_BTD, fed_BTD)
    return normed(graph, encoder.final_norm, hidden_BTD, None, "final")


def _rotation(graph: OnnxGraph, encoder: Part, kind: str, padding_B11T: str, max_tokens: int) -> Rotation:
    places_1T = torch.arange(max_tokens)[None]
    with torch.inference_mode():
        cosines, sines = (to_numpy(table[0]) for table in encoder.rotary_emb(torch.empty(1), places_1T, kind))
    half = sines.shape[1] // 2
    # Half of the rotated vector is negative; here half of the sines are.
    signed = np.concatenate((-sines[:, :half], sines[:, half:]), axis=1)
    length = graph.node("Shape", "tokens", start=1)
    tables = [
        graph.node("Slice", graph.constant(f"{kind}.{name}", values), graph.integers(0), length)
        for name, values in (("cosines", cosines), ("sines", signed))
    ]
    near = encoder.config.sliding_window
    if kind != "sliding_attention" or near >= max_tokens - 1:
        return tables[0], tables[1], padding_B11T
    far_R = np.where(np.abs(np.arange(1 - max_tokens, max_tokens)) > near, -FAR_BELOW, 0)
    table = graph.constant(f"{kind}.far", far_R.astype(np.float32))
    far_TT = graph.node("Gather", table, distances(graph, max_tokens))
    return tables[0], tables[1], graph.node("Add", far_TT, padding_B11T)


def _context(graph: OnnxGraph, parts: LayerParts, vectors: Sequence[str], rotation: Rotation) -> str:
    by_head = graph.integers(0, 0, -1, parts.head_width)
    query_BHTE, key_BHTE, value_BHTE = (
        graph.node("Transpose", graph.node("Reshape", vector_BTD, by_head), perm=[0, 2, 1, 3])
        for vector_BTD in vectors
    )
    query_BHTE, key_BHTE = (
        _rotated(graph, one, rotation, parts.head_width) for one in (query_BHTE, key_BHTE)
    )
    scores_BHTT = graph.node(
        "FusedMatMul", query_BHTE, key_BHTE, domain=CONTRIB, transB=1, alpha=float(parts.head_width**-0.5)
    )
    attention_BHTT = graph.node("Softmax", graph.node("Add", scores_BHTT, rotation[2]), axis=-1)
    context_BTHE = graph.node(
        "Transpose", graph.node("MatMul", attention_BHTT, value_BHTE), perm=[0, 2, 1, 3]
    )
    return graph.node("Reshape", context_BTHE, graph.integers(0, 0, len(parts.query[0])))


def _rotated(graph: OnnxGraph, vector_BHTE: str, rotation: Rotation, width: int) -> str:
    cosines, sines, _ = rotation
    halves = graph.constant("halves", np.roll(np.arange(width), width // 2))
    swapped = graph.node("Gather", vector_BHTE, halves, axis=-1)
    return graph.node("Add", graph.node("Mul", vector_BHTE, cosines), graph.node("Mul", swapped, sines))
