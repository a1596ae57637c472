"""Check that a file is valid in its format: text, JSON, safetensors or ONNX, and nothing besides.

Each check raises ValueError with the reason. The registered MLflow model carries this module with it.
"""

import json
import math
import pickletools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import ModelProto

CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# Opcodes: every pickle that calls something imports it by one of these.
IMPORT_OPCODES = ("GLOBAL", "STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4")
# Keys by which a configuration names code to download and run.
REMOTE_CODE_KEYS = ("auto_map", "trust_remote_code", "custom_pipelines")
MAX_HEADER = 100_000_000  # bytes; the limit of the format
LENGTH_BYTES = 8
MOST_ELEMENTS = 2**48
BITS = {
    **{"BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "U16": 16, "I16": 16, "F16": 16, "BF16": 16},
    **{"U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64},
}
# An explicit list: "ai.onnx.contrib" is where onnxruntime-extensions runs Python.
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
FILE_READING_OPERATORS = ("EPContext",)


def _check_text(path: Path) -> None:
    content = path.read_bytes()
    control = CONTROLS.search(content.decode("utf-8"))
    if control:
        raise ValueError(f"it contains the control character {control.group()!r}")
    if _is_pickle(content):
        raise ValueError("it is a pickle")


def _is_pickle(content: bytes) -> bool:
    """Return whether this is a pickle with a call (protocol 0 is plain text), without executing it."""
    try:
        return not {code.name for code, _, _ in pickletools.genops(content)}.isdisjoint(IMPORT_OPCODES)
    except Exception:  # pickletools raises several types for other files
        return False


def _check_json(path: Path) -> None:
    _parse(path.read_bytes())


def _parse(content: bytes) -> Any:
    try:
        return json.loads(
            content.decode("utf-8"), object_pairs_hook=_unique_keys, parse_constant=_reject_constant
        )
    except UnicodeDecodeError as error:
        raise ValueError("it is not valid JSON: not UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not valid JSON: {error}") from error


def _unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("an object has a key twice, and parsers differ in which one they use")
    for key in REMOTE_CODE_KEYS:
        if key in content:
            raise ValueError(f"{key!r} requests remote code")
    return content


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not valid JSON")


def _check_safetensors(path: Path) -> None:
    size = path.stat().st_size - LENGTH_BYTES
    with path.open("rb") as file:
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
        if size < 0 or length > min(size, MAX_HEADER):
            raise ValueError("it is not a safetensors file: its header is longer than the file")
        content = file.read(length)
    header = _parse(content)
    if not content.startswith(b"{"):
        raise ValueError("it is not a safetensors file: it has no header")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("its __metadata__ contains values other than strings")
    end = 0
    for start, stop in sorted(_span(name, tensor) for name, tensor in header.items()):
        if start != end:
            raise ValueError(f"its tensors overlap or leave a gap at byte {end}")
        end = stop
    if end != size - length:
        raise ValueError("it contains bytes outside of its tensors")


def _span(name: str, tensor: Any) -> tuple[int, int]:
    """Return the first and last byte offset of a tensor, checked against its type and shape."""
    if (
        not isinstance(tensor, dict)
        or set(tensor) != {"dtype", "shape", "data_offsets"}
        or not isinstance(tensor["dtype"], str)
        or tensor["dtype"] not in BITS
    ):
        raise ValueError(f"its tensor {name!r} has an invalid description")
    shape, offsets = tensor["shape"], tensor["data_offsets"]
    numbers = [*shape, *offsets] if isinstance(shape, list) and isinstance(offsets, list) else [None]
    if not all(type(number) is int and number >= 0 for number in numbers) or len(offsets) != 2:
        raise ValueError(f"its tensor {name!r} has an invalid shape or offset")
    start, stop = offsets
    # An empty tensor may have lengths that no reader counts with.
    if math.prod(filter(None, shape)) >= MOST_ELEMENTS:
        raise ValueError(f"its tensor {name!r} has a shape that no memory holds")
    if (stop - start) * 8 != math.prod(shape) * BITS[tensor["dtype"]]:
        raise ValueError(f"its tensor {name!r} has a size that differs from its shape")
    return start, stop


def _check_onnx(path: Path) -> None:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    content = path.read_bytes()
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise ValueError("it is not an ONNX model") from error
    if not (model.ir_version and model.opset_import and model.graph.node):
        raise ValueError("it is not an ONNX model")
    _check_nodes(model)
    try:
        onnx.checker.check_model(content)
    except onnx.checker.ValidationError as error:
        raise ValueError(f"it is not a valid ONNX model: {str(error).splitlines()[0]}") from error


def _check_nodes(model: "ModelProto") -> None:
    from google.protobuf.unknown_fields import UnknownFieldSet  # type: ignore[import-untyped]
    from onnx import NodeProto, TensorProto

    if model.functions or model.training_info:
        raise ValueError("it defines functions of its own")
    domains = [entry.domain for entry in model.opset_import]
    for message in _messages(model):
        if len(UnknownFieldSet(message)):
            raise ValueError("it contains bytes that are no part of an ONNX model")
        if isinstance(message, TensorProto) and (
            message.data_location == TensorProto.EXTERNAL or message.external_data
        ):
            raise ValueError(f"its tensor {message.name!r} is stored in another file")
        if isinstance(message, NodeProto):
            domains.append(message.domain)
            if message.op_type in FILE_READING_OPERATORS:
                raise ValueError(f"its operator {message.op_type} reads another file")
    foreign = sorted(set(domains) - set(DOMAINS))
    if foreign:
        raise ValueError(f"its operators of {foreign[0]!r} are not built into the runtime")


def _messages(message: Any) -> Iterator[Any]:
    """Yield every message of a model, those of nested graphs too, but not the values of tensors."""
    from onnx import TensorProto

    yield message
    if isinstance(message, TensorProto):
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if field.is_repeated else (value,):
                yield from _messages(inner)


# The maximum size in bytes and the parser of each suffix; protobuf limits an ONNX model in one file to 2 GiB.
FORMATS: Mapping[str, tuple[int, Callable[[Path], None]]] = {
    ".onnx": (2**31 - 1, _check_onnx),
    ".json": (2**26, _check_json),
    ".safetensors": (2**34, _check_safetensors),
    ".txt": (2**26, _check_text),
}
