"""What a model may be made of: plain files of four kinds, each of which is what its name says and nothing besides.

Nothing is unpickled, unpacked or run here. A file is read by the strictest reading of its format and refused on any doubt.
"""

import json
import math
import pickletools
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.base import logs
from pipeline.base.errors import UnsafeModelFile

if TYPE_CHECKING:
    from onnx import ModelProto

# A word and an ending: no folder, no "..", no hidden file, no character that a terminal or a URL reads otherwise.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*\.[a-z]+")
MOST_CHARACTERS = 100
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
CALLS = (
    "GLOBAL",
    "STACK_GLOBAL",
    "INST",
    "EXT1",
    "EXT2",
    "EXT4",
)  # every pickle that runs something names it by one of these
REMOTE = (
    "auto_map",
    "trust_remote_code",
    "custom_pipelines",
)  # keys by which a configuration names code to fetch and run
HEADER_BYTES = 100_000_000  # the format's own limit
LENGTH_BYTES = 8
BITS = {
    **{"BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "U16": 16, "I16": 16, "F16": 16, "BF16": 16},
    **{"U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64},
}
# Named one by one: "ai.onnx.contrib" is where onnxruntime-extensions runs Python.
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
ELSEWHERE = ("EPContext",)  # an operator of com.microsoft that reads another file


def inspect_folder(folder: Path) -> None:
    """Raise ArtefactRefused unless every file of a folder may be part of a model."""
    for path in sorted(folder.iterdir()):
        inspect_file(path)


def inspect_file(path: Path) -> None:
    """Raise ArtefactRefused unless this file may be part of a model."""
    check_names([path.name])
    try:
        _check(path)
    except RecursionError as error:
        raise _refused(str(path), "it is nested too deeply") from error
    except ValueError as error:
        raise _refused(str(path), str(error)) from error


def check_names(names: Iterable[str]) -> None:
    """Raise ArtefactRefused unless each is a plain file name with an ending we know."""
    for name in names:
        if not NAME.fullmatch(name) or len(name) > MOST_CHARACTERS:
            raise _refused(
                repr(name),
                "it is no plain file name, which is a word of letters, digits, _ and -, and an ending",
            )
        if Path(name).suffix not in KINDS:
            raise _refused(repr(name), f"of all kinds of files only {', '.join(KINDS)} may")


def _refused(what: str, why: str) -> UnsafeModelFile:
    logs.get("security").warning("artefact refused", file=what, why=why)
    return UnsafeModelFile(
        f"{what} may not be part of a model: {why}. Nothing of it was loaded; look at who wrote it."
    )


def _check(path: Path) -> None:
    if path.is_symlink():
        raise ValueError("it is a symbolic link, and what that points to can change")
    if not path.is_file():
        raise ValueError("it is no plain file")
    most, read = KINDS[path.suffix]
    if path.stat().st_size > most:
        raise ValueError(f"it has {path.stat().st_size} bytes, at most {most} are allowed")
    if _is_archive(path):
        raise ValueError("it is a zip archive as well")
    read(path)


def _is_archive(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path):
            return True
    except Exception:  # zipfile raises a dozen kinds on what is no archive
        return False


def _read_text(path: Path) -> None:
    content = path.read_bytes()
    found = CONTROLS.search(content.decode("utf-8"))
    if found:
        raise ValueError(f"it holds the control character {found.group()!r}")
    if _calls(content):
        raise ValueError("it is a pickle")


def _calls(content: bytes) -> bool:
    """Say whether this is a pickle that calls something; the oldest kind is plain text. Its words are listed, never followed."""
    try:
        return not {code.name for code, _, _ in pickletools.genops(content)}.isdisjoint(CALLS)
    except Exception:  # pickletools raises several kinds on what is no pickle
        return False


def _read_json(path: Path) -> None:
    _parse(path.read_bytes())


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise ValueError("it is no JSON: not UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON: {error}") from error


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a key stands twice in one object, and readers differ in which one they take")
    for key in REMOTE:
        if key in content:
            raise ValueError(f"{key!r} asks for code from elsewhere")
    return content


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _read_safetensors(path: Path) -> None:
    size = path.stat().st_size - LENGTH_BYTES
    with path.open("rb") as file:
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
        if size < 0 or length > min(size, HEADER_BYTES):
            raise ValueError("it is no safetensors file: its header reaches past its end")
        content = file.read(length)
    header = _parse(content)
    if not content.startswith(b"{"):
        raise ValueError("it is no safetensors file: it has no header")
    notes = header.pop("__metadata__", {})
    if not isinstance(notes, dict) or not all(isinstance(note, str) for note in notes.values()):
        raise ValueError("its __metadata__ holds more than words")
    end = 0
    for start, stop in sorted(_span(name, tensor) for name, tensor in header.items()):
        if start != end:
            raise ValueError(f"its tensors overlap or leave a gap at byte {end}")
        end = stop
    if end != size - length:
        raise ValueError("it holds bytes that belong to no tensor")


def _span(name: str, tensor: Any) -> tuple[int, int]:
    """Give where a tensor's numbers begin and end, checked against its type and shape."""
    if (
        not isinstance(tensor, dict)
        or set(tensor) != {"dtype", "shape", "data_offsets"}
        or tensor["dtype"] not in BITS
    ):
        raise ValueError(f"its tensor {name!r} is not described as the format asks")
    shape, offsets = tensor["shape"], tensor["data_offsets"]
    numbers = [*shape, *offsets] if isinstance(shape, list) and isinstance(offsets, list) else [None]
    if not all(type(number) is int and number >= 0 for number in numbers) or len(offsets) != 2:
        raise ValueError(f"its tensor {name!r} has no true shape or place")
    start, stop = offsets
    if (stop - start) * 8 != math.prod(shape) * BITS[tensor["dtype"]]:
        raise ValueError(f"its tensor {name!r} has another size than its shape says")
    return start, stop


def _read_onnx(path: Path) -> None:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    content = path.read_bytes()
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise ValueError("it is no ONNX model") from error
    if not (model.ir_version and model.opset_import and model.graph.node):
        raise ValueError("it is no ONNX model")
    _check_graph(model)
    try:
        onnx.checker.check_model(content)
    except onnx.checker.ValidationError as error:
        raise ValueError(f"it is no sound ONNX model: {str(error).splitlines()[0]}") from error


def _check_graph(model: "ModelProto") -> None:
    from google.protobuf.unknown_fields import UnknownFieldSet  # type: ignore[import-untyped]
    from onnx import NodeProto, TensorProto

    if model.functions or model.training_info:
        raise ValueError("it brings functions of its own")
    domains = [entry.domain for entry in model.opset_import]
    for message in _messages(model):
        if len(UnknownFieldSet(message)):
            raise ValueError("it holds bytes that are no part of an ONNX model")
        if isinstance(message, TensorProto) and (
            message.data_location == TensorProto.EXTERNAL or message.external_data
        ):
            raise ValueError(f"its tensor {message.name!r} lies in another file")
        if isinstance(message, NodeProto):
            domains.append(message.domain)
            if message.op_type in ELSEWHERE:
                raise ValueError(f"its operator {message.op_type} reads another file")
    strange = sorted(set(domains) - set(DOMAINS))
    if strange:
        raise ValueError(f"its operators of {strange[0]!r} are none of the runtime's own")


def _messages(message: Any) -> Iterator[Any]:
    """Walk through everything a model holds, graphs inside graphs too, but not through the numbers of a tensor."""
    from onnx import TensorProto

    yield message
    if isinstance(message, TensorProto):
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if field.is_repeated else (value,):
                yield from _messages(inner)


# What each ending promises, and how many bytes are believable: an ONNX model beyond protobuf's limit cannot be one file.
KINDS: Mapping[str, tuple[int, Callable[[Path], None]]] = {
    ".onnx": (2**31 - 1, _read_onnx),
    ".json": (2**26, _read_json),
    ".safetensors": (2**34, _read_safetensors),
    ".txt": (2**26, _read_text),
}
