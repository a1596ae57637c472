"""Export a classifier to ONNX, node by node: only what inference needs, and equal bytes on every machine.

torch's exporter leaves paths in every node, takes ten seconds a model, and splits attention into nodes that
no runtime fuses again for a pruned layer. A BERT body is forty lines of nodes, so they are here.
Shapes: B texts, T tokens, D width, H heads, E width of a head, F channels, L labels; a matrix is out x in, as
in torch.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto
    from torch import Tensor, nn

OPSET, IR_VERSION = 20, 10
# The number of 32-bit floating point among ONNX's types.
FLOAT = 1
# The domain of onnxruntime's own operators.
CONTRIB = "com.microsoft"
# Subtracted from the score of padding, whose attention becomes exactly 0.
FAR_BELOW = 1e9

# Of float32 or int8.
Array = NDArray[Any]
# A module of transformers, which has no types.
Part = Any
# Weight (out x in) and bias.
Matrix = tuple[Array, Array]


class OnnxGraph:
    """Collect the nodes and constants of an ONNX model."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}

    def constant(self, name: str, value: ArrayLike) -> str:
        """Add a constant and return its name."""
        from onnx import numpy_helper

        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def integers(self, *numbers: int) -> str:
        """Add a vector of integers, such as a shape or axes, and return its name."""
        return self.constant("_".join(["whole", *map(str, numbers)]), np.asarray(numbers, dtype=np.int64))

    def node(self, kind: str, *inputs: str, domain: str = "", out: str = "", **settings: Any) -> str:
        """Add a node and return the name of its output."""
        from onnx import helper

        name = out or f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], domain=domain, **settings))
        return name

    def model(self, outputs: Mapping[str, int]) -> bytes:
        """Return the model's bytes, equal for equal nodes; `outputs` maps each name to its width."""
        from onnx import TensorProto, helper

        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "width"])
            for name in ("tokens", "mask")
        ]
        values = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["texts", width])
            for name, width in outputs.items()
        ]
        graph = helper.make_graph(self._nodes, "tonewatch", inputs, values, list(self._constants.values()))
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
        content: bytes = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION
        ).SerializeToString()
        return content


class Precision(Protocol):
    """Describe a precision: how a graph looks up rows and multiplies matrices."""

    def rows(self, graph: OnnxGraph, name: str, table_VD: Array, ids: str) -> str:
        """Look up one row of a table for every id."""

    def products(self, graph: OnnxGraph, place: str, hidden: str, matrices: Sequence[Matrix]) -> list[str]:
        """Multiply the activations at one place of the model by matrices (out x in), and add their biases."""


class Float32:
    """Use 32-bit floating point, as in training."""

    def rows(self, graph: OnnxGraph, name: str, table_VD: Array, ids: str) -> str:
        """Look up rows of a float table."""
        return graph.node("Gather", graph.constant(name, table_VD), ids)

    def products(self, graph: OnnxGraph, place: str, hidden: str, matrices: Sequence[Matrix]) -> list[str]:
        """Multiply float matrices."""
        outputs = []
        for number, (weight_OI, bias_O) in enumerate(matrices):
            weight = graph.constant(f"{place}.{number}.weight", weight_OI.T)
            bias = graph.constant(f"{place}.{number}.bias", bias_O)
            outputs.append(graph.node("Add", graph.node("MatMul", hidden, weight), bias))
        return outputs


def export_onnx(model: "nn.Module", *, max_tokens: int, precision: Precision | None = None) -> bytes:
    """Export a classifier to ONNX, by default in Float32.

    Inputs: `tokens` and `mask` (texts x tokens, int64; at most `max_tokens` tokens). Outputs: `logits` (texts
    x labels) and `pooled` (texts x width), the input of the head, computed only when it is requested.
    """
    encoder: Part = model.encoder
    assert encoder.config.hidden_act == "gelu"
    graph, precision = OnnxGraph(), precision or Float32()
    counted = graph.node("Cast", "mask", to=FLOAT)
    ahead = graph.node(
        "Mul",
        graph.node("Sub", counted, graph.constant("one", np.float32(1))),
        graph.constant("far", np.float32(FAR_BELOW)),
    )
    padding_B11T = graph.node("Unsqueeze", ahead, graph.integers(1, 2))
    hidden_BTD = _embedded(graph, encoder.embeddings, precision, max_tokens)
    for number, layer in enumerate(encoder.encoder.layer):
        hidden_BTD = _layer(graph, layer, hidden_BTD, padding_B11T, precision, name=f"layer.{number}")
    total_BD = graph.node(
        "ReduceSum",
        graph.node("Mul", hidden_BTD, graph.node("Unsqueeze", counted, graph.integers(2))),
        graph.integers(1),
        keepdims=0,
    )
    mean_BD = graph.node(
        "Div", total_BD, graph.node("ReduceSum", counted, graph.integers(1), keepdims=1), out="pooled"
    )
    head: Part = model.head
    graph.node(
        "Gemm",
        mean_BD,
        graph.constant("head.weight", to_numpy(head.weight)),
        graph.constant("head.bias", to_numpy(head.bias)),
        out="logits",
        transB=1,
    )
    return graph.model({"logits": len(head.weight), "pooled": len(head.weight[0])})


def to_numpy(values: "Tensor") -> Array:
    """Return a parameter as a numpy array."""
    return values.detach().cpu().numpy()


def linear_weights(linear: Part) -> Matrix:
    """Return weight (out x in) and bias of a linear layer."""
    return to_numpy(linear.weight), to_numpy(linear.bias)


def _embedded(graph: OnnxGraph, embeddings: Part, precision: Precision, max_tokens: int) -> str:
    words_BTD = precision.rows(graph, "words", to_numpy(embeddings.word_embeddings.weight), "tokens")
    # Every token has the first token type, so its embedding is added to that of the position.
    table_TD = (
        to_numpy(embeddings.position_embeddings.weight)[:max_tokens]
        + to_numpy(embeddings.token_type_embeddings.weight)[0]
    )
    length = graph.node("Shape", "tokens", start=1)
    positions_TD = graph.node(
        "Slice", graph.constant("positions", table_TD), graph.integers(0), length, graph.integers(0)
    )
    return _normed(graph, embeddings.LayerNorm, words_BTD, positions_TD, "embeddings")


def _layer(
    graph: OnnxGraph, layer: Part, hidden_BTD: str, padding_B11T: str, precision: Precision, *, name: str
) -> str:
    heads = layer.attention.self
    # A score is divided by the root of a head's width; here the query's weights are.
    weight, bias = (
        part * np.float32(heads.attention_head_size**-0.5) for part in linear_weights(heads.query)
    )
    query = weight, bias
    vectors = precision.products(
        graph,
        f"{name}.attention",
        hidden_BTD,
        [query, linear_weights(heads.key), linear_weights(heads.value)],
    )
    context_BTD = _attended(graph, vectors, padding_B11T, heads)
    (mixed_BTD,) = precision.products(
        graph, f"{name}.context", context_BTD, [linear_weights(layer.attention.output.dense)]
    )
    hidden_BTD = _normed(graph, layer.attention.output.LayerNorm, mixed_BTD, hidden_BTD, f"{name}.mixed")
    (channels_BTF,) = precision.products(
        graph, f"{name}.channels", hidden_BTD, [linear_weights(layer.intermediate.dense)]
    )
    (fed_BTD,) = precision.products(
        graph, f"{name}.gelu", graph.node("Gelu", channels_BTF), [linear_weights(layer.output.dense)]
    )
    return _normed(graph, layer.output.LayerNorm, fed_BTD, hidden_BTD, f"{name}.fed")


def _attended(graph: OnnxGraph, vectors: Sequence[str], padding_B11T: str, heads: Part) -> str:
    by_head = graph.integers(0, 0, -1, heads.attention_head_size)
    query_BHTE, key_BHTE, value_BHTE = (
        graph.node("Transpose", graph.node("Reshape", vector_BTD, by_head), perm=[0, 2, 1, 3])
        for vector_BTD in vectors
    )
    scores_BHTT = graph.node("FusedMatMul", query_BHTE, key_BHTE, domain=CONTRIB, transB=1)
    attention_BHTT = graph.node("Softmax", graph.node("Add", scores_BHTT, padding_B11T), axis=-1)
    context_BTHE = graph.node(
        "Transpose", graph.node("MatMul", attention_BHTT, value_BHTE), perm=[0, 2, 1, 3]
    )
    return graph.node("Reshape", context_BTHE, graph.integers(0, 0, len(heads.query.weight)))


def _normed(graph: OnnxGraph, norm: Part, new: str, old: str, name: str) -> str:
    scale, shift = (
        graph.constant(f"{name}.scale", to_numpy(norm.weight)),
        graph.constant(f"{name}.shift", to_numpy(norm.bias)),
    )
    return graph.node(
        "LayerNormalization", graph.node("Add", new, old), scale, shift, axis=-1, epsilon=float(norm.eps)
    )
