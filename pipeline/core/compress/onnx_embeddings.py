"""The embeddings of a family as nodes: words, positions, token types, norm.

Shapes: B texts, T tokens, D width of the encoder, E width of the embeddings.
"""

from pipeline.core.compress.onnx_graph import (
    WORDS,
    OnnxGraph,
    Part,
    Precision,
    linear_weights,
    normed,
    to_numpy,
)
from pipeline.core.model.families import family_of

INT64 = 7


def embedded(graph: OnnxGraph, encoder: Part, precision: Precision, max_tokens: int) -> str:
    """Add the nodes of the embeddings, and return the name of their output."""
    embeddings = encoder.embeddings
    words_BTE = precision.rows(graph, WORDS, to_numpy(encoder.get_input_embeddings().weight), "tokens")
    if encoder.config.model_type == "modernbert":
        return normed(graph, embeddings.norm, words_BTE, None, "embeddings")
    added = _positions(graph, encoder, max_tokens)
    hidden_BTE = normed(graph, embeddings.LayerNorm, words_BTE, added, "embeddings")
    project = getattr(encoder, "embeddings_project", None)
    if project is None:
        return hidden_BTE
    weight_DE, bias_D = linear_weights(project)
    product = graph.node("MatMul", hidden_BTE, graph.constant("project.weight", weight_DE.T))
    return graph.node("Add", product, graph.constant("project.bias", bias_D))


def _positions(graph: OnnxGraph, encoder: Part, max_tokens: int) -> str | None:
    """Return the embeddings of positions and of the first token type, which every token has."""
    embeddings = encoder.embeddings
    positions, types = embeddings.position_embeddings, getattr(embeddings, "token_type_embeddings", None)
    if positions is None:
        return None if types is None else graph.constant("types", to_numpy(types.weight)[0])
    offset = embeddings.padding_idx + 1 if family_of(encoder.config.model_type).offset_positions else 0
    table_TE = to_numpy(positions.weight)[: max_tokens + offset]
    if types is not None:
        table_TE = table_TE + to_numpy(types.weight)[0]
    table = graph.constant("positions", table_TE)
    if offset:
        return graph.node("Gather", table, _counted_positions(graph, offset - 1))
    length = graph.node("Shape", "tokens", start=1)
    return graph.node("Slice", table, graph.integers(0), length, graph.integers(0))


def _counted_positions(graph: OnnxGraph, padding: int) -> str:
    """Count the tokens that are no padding from behind the id of padding; padding stays at that id."""
    number = graph.integers(padding)
    real_BT = graph.node("Cast", graph.node("Not", graph.node("Equal", "tokens", number)), to=INT64)
    counted_BT = graph.node("CumSum", real_BT, graph.integers(1))
    return graph.node("Add", graph.node("Mul", counted_BT, real_BT), number)
