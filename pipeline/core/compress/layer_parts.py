"""The parts of a layer, by one name in every family: what is exported, quantized and pruned."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.compress.onnx_graph import Matrix, Part, linear_weights


@dataclass(frozen=True)
class LayerParts:
    """Hold the matrices and norms of a layer.

    The projections read the input of the module `projected`. `channels` and `gate` are the matrices before
    the activation; what it returns is multiplied by the gate, where there is one.
    """

    projected: Part
    query: Matrix
    key: Matrix
    value: Matrix
    context: Part
    mixed_norm: Part
    widened: Part
    channels: tuple[Matrix, ...]
    fed: Part
    fed_norm: Part
    head_width: int


def layers_of(encoder: Part) -> Sequence[Part]:
    """Return the layers of an encoder of any family."""
    kind = encoder.config.model_type
    if kind == "distilbert":
        layers: Sequence[Part] = encoder.transformer.layer
        return layers
    return encoder.layers if kind == "modernbert" else encoder.encoder.layer  # type: ignore[no-any-return]


def layer_parts(kind: str, layer: Part) -> LayerParts:
    """Return the parts of a layer of a family, named by its `model_type`."""
    if kind == "distilbert":
        return _of_distilbert(layer)
    if kind == "modernbert":
        return _of_modernbert(layer)
    if kind == "mpnet":
        inner, outer, norm = layer.attention.attn, layer.attention.attn.o, layer.attention.LayerNorm
        projections = inner.q, inner.k, inner.v
    else:
        inner, output = layer.attention.self, layer.attention.output
        outer, norm = output.dense, output.LayerNorm
        projections = (
            (inner.query_proj, inner.key_proj, inner.value_proj)
            if kind == "deberta-v2"
            else (inner.query, inner.key, inner.value)
        )
    query, key, value = map(linear_weights, projections)
    return LayerParts(
        projected=projections[0],
        query=query,
        key=key,
        value=value,
        context=outer,
        mixed_norm=norm,
        widened=layer.intermediate.dense,
        channels=(linear_weights(layer.intermediate.dense),),
        fed=layer.output.dense,
        fed_norm=layer.output.LayerNorm,
        head_width=inner.attention_head_size,
    )


def _of_distilbert(layer: Part) -> LayerParts:
    inner = layer.attention
    return LayerParts(
        projected=inner.q_lin,
        query=linear_weights(inner.q_lin),
        key=linear_weights(inner.k_lin),
        value=linear_weights(inner.v_lin),
        context=inner.out_lin,
        mixed_norm=layer.sa_layer_norm,
        widened=layer.ffn.lin1,
        channels=(linear_weights(layer.ffn.lin1),),
        fed=layer.ffn.lin2,
        fed_norm=layer.output_layer_norm,
        head_width=inner.attention_head_size,
    )


def _of_modernbert(layer: Part) -> LayerParts:
    weight, bias = linear_weights(layer.attn.Wqkv)
    query, key, value = zip(np.split(weight, 3), np.split(bias, 3), strict=True)
    wide, wide_bias = linear_weights(layer.mlp.Wi)
    channels, gate = zip(np.split(wide, 2), np.split(wide_bias, 2), strict=True)
    return LayerParts(
        projected=layer.attn.Wqkv,
        query=query,
        key=key,
        value=value,
        context=layer.attn.Wo,
        mixed_norm=layer.attn_norm,
        widened=layer.mlp.Wi,
        channels=(channels, gate),
        fed=layer.mlp.Wo,
        fed_norm=layer.mlp_norm,
        head_width=layer.attn.head_dim,
    )
