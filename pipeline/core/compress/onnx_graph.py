"""An ONNX graph under construction, and how a precision looks up rows and multiplies matrices.

A matrix is out x in, as in torch.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto
    from torch import Tensor

OPSET, IR_VERSION = 20, 10
# The number of 32-bit floating point among ONNX's types.
FLOAT = 1
# Subtracted from the score of padding, whose attention becomes exactly 0.
FAR_BELOW = 1e9
# The domain of onnxruntime's own operators.
CONTRIB = "com.microsoft"

# Of float32 or int8.
Array = NDArray[Any]
# A module of transformers, which has no types.
Part = Any
# Weight (out x in) and bias.
Matrix = tuple[Array, Array]
# The table of word embeddings.
WORDS = "words"
# Outputs that have a row for each token.
TOKEN_LOGITS, NEXT_LOGITS = "token_logits", "next_logits"
PER_TOKEN = (TOKEN_LOGITS,)


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

    def activation(self, inputs: str, name: str) -> str:
        """Add an activation of `families.ACTIVATIONS` and return the name of its output."""
        if name == "relu":
            return self.node("Relu", inputs)
        # "none" is the default of the operator.
        return self.node("Gelu", inputs) if name == "none" else self.node("Gelu", inputs, approximate=name)

    def model(self, outputs: Mapping[str, int]) -> bytes:
        """Return the model's bytes, equal for equal nodes; `outputs` maps each name to its width.

        An output whose name is in PER_TOKEN has a row for each token.
        """
        from onnx import TensorProto, helper

        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "width"])
            for name in ("tokens", "mask")
        ]
        values = [
            helper.make_tensor_value_info(
                name, TensorProto.FLOAT, ["texts", *(["width"] if name in PER_TOKEN else []), width]
            )
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

    def word_products(self, graph: OnnxGraph, hidden: str, words: Matrix, *, out: str) -> None:
        """Multiply activations by the table of words that `rows` looks up as `words`, and add a bias."""


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

    def word_products(self, graph: OnnxGraph, hidden: str, words: Matrix, *, out: str) -> None:
        """Multiply by the one table that rows are looked up in."""
        table_VD, bias_V = words
        table = graph.constant(WORDS, table_VD)
        product = graph.node("FusedMatMul", hidden, table, domain=CONTRIB, transB=1)
        graph.node("Add", product, graph.constant("word_bias", bias_V), out=out)


def to_numpy(values: "Tensor") -> Array:
    """Return a parameter as a numpy array."""
    return values.detach().cpu().numpy()


def linear_weights(linear: Part) -> Matrix:
    """Return weight (out x in) and bias of a linear layer; one without a bias has zeros."""
    weight_OI = to_numpy(linear.weight)
    bias_O = np.zeros(len(weight_OI), dtype=np.float32) if linear.bias is None else to_numpy(linear.bias)
    return weight_OI, bias_O


def normed(graph: OnnxGraph, norm: Part, new: str, old: str | None, name: str) -> str:
    """Add the nodes of a norm of what is new, added to what was there before; return its output."""
    scale = to_numpy(norm.weight)
    shift = np.zeros_like(scale) if norm.bias is None else to_numpy(norm.bias)
    inputs = graph.constant(f"{name}.scale", scale), graph.constant(f"{name}.shift", shift)
    total = graph.node("Add", new, old) if old is not None else new
    return graph.node("LayerNormalization", total, *inputs, axis=-1, epsilon=float(norm.eps))
