"""Safetensors and ONNX files built by hand, so that tests can make them invalid."""

import json
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save


def valid_safetensors() -> bytes:
    """Return a valid safetensors file."""
    return bytes(
        save({"a": np.ones((2, 3), dtype=np.float32), "b": np.arange(5)}, metadata={"made": "by hand"})
    )


def tensors(header: Any, body: bytes = b"", length: int | None = None) -> bytes:
    """Return a safetensors file with a header, a body and a header length, valid or not."""
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(content) if length is None else length).to_bytes(8, "little") + content + body


def tensor(start: Any, stop: Any, shape: Any = (2,), dtype: str = "F32") -> dict[str, Any]:
    """Return the header entry of one tensor."""
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, stop]}


def graph(*, node: Any = None, weights: Any = None, **more: Any) -> bytes:
    """Return a small ONNX model with a node, weights and fields that a test may replace."""
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    made = helper.make_graph(
        [node or helper.make_node("Identity", ["w"], ["y"])], "g", [], [output], [weights or numbers()]
    )
    opsets = [helper.make_opsetid(domain, 17) for domain in ("", *more.pop("domains", ()))]
    return bytes(helper.make_model(made, opset_imports=opsets, ir_version=9, **more).SerializeToString())


def numbers(**elsewhere: str) -> Any:
    """Return two weights, stored in another file where `elsewhere` says so."""
    made = numpy_helper.from_array(np.ones(2, dtype=np.float32), "w")
    for key, value in elsewhere.items():
        made.external_data.add(key=key, value=value)
    return made


def hidden() -> Any:
    """Return a node with a nested graph whose constant is stored in another file."""
    output = helper.make_tensor_value_info("z", TensorProto.FLOAT, [2])
    far = TensorProto(name="far", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    branch = helper.make_graph([helper.make_node("Constant", [], ["z"], value=far)], "inner", [], [output])
    return helper.make_node("If", ["w"], ["y"], then_branch=branch, else_branch=branch)


def function() -> Any:
    """Return a function that redefines a standard operator."""
    node = helper.make_node("Identity", ["x"], ["y"])
    return helper.make_function("", "Identity", ["x"], ["y"], [node], [helper.make_opsetid("", 17)])
