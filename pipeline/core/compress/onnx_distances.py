"""What is added to the scores of attention: padding, and in some families the distance of two tokens.

MPNet adds a number for each distance (Raffel et al., 2020), DeBERTa the products of content and distance
(He et al., 2021). Both depend on the distance alone, so they are tables by distance here.
Shapes: B texts, T tokens, H heads, E width of a head, R distances from 1 - T to T - 1.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.core.compress.onnx_graph import CONTRIB, Array, OnnxGraph, Part, linear_weights, to_numpy


@dataclass(frozen=True)
class DistanceProducts:
    """Hold what the bias of DeBERTa is made of: the embeddings of distances, and the distances of tokens.

    `kinds` names the products: of content and distance (c2p), of distance and content (p2c).
    """

    kinds: tuple[str, ...]
    embeddings_RD: Array
    numbers_TT: str


@dataclass(frozen=True)
class AttentionBias:
    """Hold what is added to the scores of each layer; most families add padding alone.

    A score is the sum of `terms` products of equal size.
    """

    padding_B11T: str
    distance_1HTT: str | None = None
    products: DistanceProducts | None = None
    terms: int = 1

    def scale(self, head_width: int) -> float:
        """Return by what a query is multiplied."""
        return float((head_width * self.terms) ** -0.5)

    def added(self, graph: OnnxGraph, layer: Part, scores: str, vectors: tuple[str, str], name: str) -> str:
        """Add the bias to scores_BHTT of these queries and keys, and return the name of the sum."""
        if self.distance_1HTT is not None:
            scores = graph.node("Add", scores, self.distance_1HTT)
        if self.products is not None:
            inner, scaled = layer.attention.self, self.scale(layer.attention.self.attention_head_size)
            scores = _with_products(graph, inner, self.products, scores, vectors, scale=scaled, name=name)
        return graph.node("Add", scores, self.padding_B11T)


def _with_products(
    graph: OnnxGraph,
    inner: Part,
    products: DistanceProducts,
    scores: str,
    vectors: tuple[str, str],
    *,
    scale: float,
    name: str,
) -> str:
    index_BHTT = graph.node("Expand", products.numbers_TT, graph.node("Shape", scores))
    query_BHTE, key_BHTE = vectors
    if "c2p" in products.kinds:
        linear = inner.key_proj if inner.share_att_key else inner.pos_key_proj
        table = graph.constant(f"{name}.key_distances", _by_head(products, linear, inner))
        products_BHTR = graph.node("FusedMatMul", query_BHTE, table, domain=CONTRIB, transB=1)
        scores = graph.node("Add", scores, graph.node("GatherElements", products_BHTR, index_BHTT, axis=-1))
    if "p2c" in products.kinds:
        linear = inner.query_proj if inner.share_att_key else inner.pos_query_proj
        scaled_1HRE = _by_head(products, linear, inner) * np.float32(scale)
        table = graph.constant(f"{name}.query_distances", scaled_1HRE)
        products_BHTR = graph.node("FusedMatMul", key_BHTE, table, domain=CONTRIB, transB=1)
        # The distance from query to key, in rows of keys.
        index_BHTT = graph.node("Transpose", index_BHTT, perm=[0, 1, 3, 2])
        gathered = graph.node("GatherElements", products_BHTR, index_BHTT, axis=-1)
        scores = graph.node("Add", scores, graph.node("Transpose", gathered, perm=[0, 1, 3, 2]))
    return scores


def _by_head(products: DistanceProducts, linear: Part, inner: Part) -> Array:
    """Return the projected embeddings of distances (1 x H x R x E)."""
    weight, bias = linear_weights(linear)
    projected_RD = products.embeddings_RD @ weight.T + bias
    by_head = projected_RD.reshape(len(projected_RD), -1, inner.attention_head_size).transpose(1, 0, 2)
    return np.asarray(by_head[None], dtype=np.float32)


def attention_bias(graph: OnnxGraph, encoder: Part, padding_B11T: str, max_tokens: int) -> AttentionBias:
    """Add what all layers share, and return the bias of the family."""
    kind, config = encoder.config.model_type, encoder.config
    if kind == "mpnet":
        with torch.inference_mode():
            bias_HTT = encoder.encoder.compute_position_bias(torch.empty(1, max_tokens, 1))[0]
        table = graph.constant("distances", by_distance(bias_HTT).T)
        bias_TTH = graph.node("Gather", table, distances(graph, max_tokens))
        by_head = graph.node("Transpose", bias_TTH, perm=[2, 0, 1])
        return AttentionBias(padding_B11T, graph.node("Unsqueeze", by_head, graph.integers(0)))
    if kind == "deberta-v2":
        kinds = tuple(name for name in ("c2p", "p2c") if name in (config.pos_att_type or ()))
        products = (
            _products(graph, encoder, kinds, max_tokens) if encoder.encoder.relative_attention else None
        )
        return AttentionBias(padding_B11T, products=products, terms=1 + len(kinds))
    return AttentionBias(padding_B11T)


def _products(
    graph: OnnxGraph, encoder: Part, kinds: tuple[str, ...], max_tokens: int
) -> DistanceProducts | None:
    if not kinds:
        return None
    with torch.inference_mode():
        table_SD = to_numpy(encoder.encoder.get_rel_embedding())
    rows_R = _rows_of_distances(encoder, max_tokens)
    return DistanceProducts(kinds, table_SD[rows_R], distances(graph, max_tokens))


def distances(graph: OnnxGraph, max_tokens: int) -> str:
    """Add the numbers of the distances (T x T): query less key, counted from the most negative one."""
    length = graph.node("Shape", "tokens", start=1)
    places_T = graph.node("Slice", graph.constant("places", np.arange(max_tokens)), graph.integers(0), length)
    rows_T1, columns_1T = (graph.node("Unsqueeze", places_T, graph.integers(axis)) for axis in (1, 0))
    return graph.node("Add", graph.node("Sub", rows_T1, columns_1T), graph.integers(max_tokens - 1))


def by_distance(values_TT: Tensor) -> Array:
    """Return values that depend on the distance of two tokens alone (… x T x T) as one row (… x R)."""
    negative, positive = values_TT[..., 0, 1:].flip(-1), values_TT[..., :, 0]
    return to_numpy(torch.cat((negative, positive), dim=-1))


def _rows_of_distances(encoder: Part, max_tokens: int) -> Array:
    """Return for each distance the row of its embedding, as DeBERTa puts distances into buckets."""
    span = encoder.encoder.layer[0].attention.self.pos_ebd_size
    bucket_TT = encoder.encoder.get_rel_pos(torch.empty(1, max_tokens, 1))[0]
    return np.asarray(np.clip(by_distance(bucket_TT) + span, 0, 2 * span - 1))
