"""Only valid files of four formats may be part of a model; nothing else is loaded or executed."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import canaries
import forged
import onnx
import pytest
import safetensors
import toy
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from safetensors.numpy import save
from structlog.testing import capture_logs

from pipeline.base.errors import UnsafeModelFile
from pipeline.inference.load import load_predictor
from pipeline.io.security.model_files import check_names, inspect_file, inspect_folder

NAMES = ("model.safetensors", "model.onnx", "model.json", "notes.txt")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good") / "candidate"
    toy.candidate(folder, {"fine": "positive", "dull": "negative"})
    (folder / "model.safetensors").write_bytes(forged.valid_safetensors())
    (folder / "notes.txt").write_text("Ein Wort:\täöü\n", "utf-8")
    return folder


def assert_rejected(folder: Path, name: str, content: bytes, why: str) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(UnsafeModelFile, match=why):
        inspect_folder(folder)


def test_our_own_files_may_be_part_of_a_model(good: Path) -> None:
    inspect_folder(good)

    assert {path.suffix for path in good.iterdir()} == {".onnx", ".json", ".safetensors", ".txt"}


@pytest.mark.parametrize("kind", canaries.KINDS)
def test_unpickling_a_canary_leaves_its_file(kind: Callable[[Path], bytes], tmp_path: Path) -> None:
    canaries.unpickle(kind(tmp_path / "canary"))

    assert (tmp_path / "canary").exists()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", canaries.KINDS)
def test_a_malicious_pickle_is_rejected_under_every_name(
    kind: Callable[[Path], bytes], name: str, good: Path, tmp_path: Path
) -> None:
    for path in good.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).write_bytes(kind(tmp_path / "canary"))

    with capture_logs() as logs, pytest.raises(UnsafeModelFile, match="It was not loaded"):
        inspect_folder(tmp_path)
    with pytest.raises(UnsafeModelFile, match=name):
        load_predictor(tmp_path)  # as evaluation, prediction and MLflow do

    assert not (tmp_path / "canary").exists()
    assert [(entry["event"], entry["file"]) for entry in logs] == [
        ("model_file.rejected", str(tmp_path / name))
    ]


@pytest.mark.parametrize(
    "name",
    [
        *(
            "../model.json",
            "/etc/passwd",
            "a/model.json",
            "a\\model.json",
            "C:\\model.json",
            "\\\\host\\model.json",
            "..%2fmodel.json",
        ),
        *(
            "file:///etc/passwd",
            "model\0.json",
            "model\n.json",
            "model.json\n",
            ".json",
            ".model.json",
            "a..json",
            "-rf.json",
            "",
        ),
        *(
            "модель.json",
            "mоdel.json",
            "m" * 100 + ".json",
            "model.json.pkl",
            "model\u202enosj.json",
            "model.JSON",
            "model",
        ),
    ],
)
def test_an_unsafe_name_is_rejected(name: str) -> None:
    with pytest.raises(UnsafeModelFile, match="no plain file name"):
        check_names(["model.onnx", name])


@pytest.mark.parametrize(
    "name", ["model.pkl", "model.bin", "model.pt", "run.py", "model.gguf", "lib.so", "model.ckpt"]
)
def test_an_unknown_suffix_is_rejected(name: str) -> None:
    with pytest.raises(UnsafeModelFile, match=r"allowed suffixes are \.onnx, \.json, \.safetensors, \.txt"):
        check_names([name])


def test_links_folders_and_pipes_are_rejected(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("{}")
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    (tmp_path / "folder.json").mkdir()
    os.mkfifo(tmp_path / "pipe.json")

    for name, why in (
        ("link.json", "symbolic link"),
        ("folder.json", "not a regular file"),
        ("pipe.json", "not a regular file"),
    ):
        with pytest.raises(UnsafeModelFile, match=why):
            inspect_file(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "has a key twice"),
        (
            b'{"config": [{"auto_map": {"AutoModel": "them/theirs--model.Model"}}]}',
            "'auto_map' requests remote code",
        ),
        (b'{"trust_remote_code": false}', "'trust_remote_code' requests remote code"),
        (b'{"custom_pipelines": {}}', "'custom_pipelines' requests remote code"),
        (b'{"a": NaN}', "NaN is not valid JSON"),
        (b'{"a": 1} {"b": 2}', "Extra data"),
        (b'\xef\xbb\xbf{"a": 1}', "not valid JSON"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b"", "not valid JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
    ],
)
def test_ambiguous_json_is_rejected(content: bytes, why: str, tmp_path: Path) -> None:
    assert_rejected(tmp_path, "config.json", content, why)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "longer than the file"),
        (forged.tensors({}, length=2**64 - 1), "longer than the file"),
        (forged.tensors({}, length=3), "longer than the file"),
        (forged.tensors(b" {}"), "has no header"),
        (forged.tensors(b'{"a": {}, "a": {}}'), "has a key twice"),
        (forged.tensors({"__metadata__": {"a": {"b": "c"}}}), "other than strings"),
        (
            forged.tensors({"a": forged.tensor(0, 8), "b": forged.tensor(4, 12)}, b"x" * 12),
            "overlap or leave a gap at byte 8",
        ),
        (
            forged.tensors({"a": forged.tensor(0, 8), "b": forged.tensor(12, 20)}, b"x" * 20),
            "overlap or leave a gap at byte 8",
        ),
        (forged.tensors({"a": forged.tensor(0, 8)}, b"x" * 9), "outside of its tensors"),
        (forged.tensors({"a": forged.tensor(0, 8)}, b"x" * 7), "outside of its tensors"),
        (forged.tensors({"a": forged.tensor(0, 8, dtype="O")}, b"x" * 8), "invalid description"),
        (forged.tensors({"a": {**forged.tensor(0, 8), "code": "x"}}, b"x" * 8), "invalid description"),
        (forged.tensors({"a": forged.tensor(0, 8, shape=(-1, -2))}, b"x" * 8), "invalid shape or offset"),
        (forged.tensors({"a": forged.tensor(False, 8)}, b"x" * 8), "invalid shape or offset"),
        (forged.tensors({"a": forged.tensor(0, 8, shape=(3,))}, b"x" * 8), "differs from its shape"),
    ],
)
def test_invalid_safetensors_are_rejected(content: bytes, why: str, tmp_path: Path) -> None:
    assert_rejected(tmp_path, "model.safetensors", content, why)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (forged.graph(weights=forged.numbers(location="/etc/passwd")), "'w' is stored in another file"),
        (forged.graph(weights=forged.numbers(location="../../model.bin")), "'w' is stored in another file"),
        (forged.graph(node=forged.hidden()), "'far' is stored in another file"),
        (
            forged.graph(node=helper.make_node("Run", ["w"], ["y"], domain="evil"), domains=["evil"]),
            "'evil' are not built into the runtime",
        ),
        (
            forged.graph(node=helper.make_node("PyOp", ["w"], ["y"], domain="ai.onnx.contrib")),
            "'ai.onnx.contrib' are not built in",
        ),
        (forged.graph(domains=["org.pytorch.aten"]), "'org.pytorch.aten' are not built in"),
        (
            forged.graph(node=helper.make_node("EPContext", ["w"], ["y"], domain="com.microsoft")),
            "EPContext reads another file",
        ),
        (forged.graph(functions=[forged.function()]), "functions of its own"),
        (forged.graph(node=helper.make_node("NoSuchOperator", ["w"], ["y"])), "not a valid ONNX model"),
        (forged.graph() + b"\xf2\x3f\x04evil", "no part of an ONNX model"),
        (forged.graph()[:-3], "not an ONNX model"),
        (onnx.ModelProto(ir_version=9).SerializeToString(), "not an ONNX model"),
    ],
)
def test_onnx_that_reaches_outside_itself_is_rejected(content: bytes, why: str, tmp_path: Path) -> None:
    assert_rejected(tmp_path, "model.onnx", content, why)


def test_an_archive_hidden_in_tensor_values_is_rejected(tmp_path: Path) -> None:
    import numpy as np

    archive = np.frombuffer(canaries.checkpoint(tmp_path / "canary"), dtype=np.uint8)

    assert_rejected(tmp_path, "model.safetensors", bytes(save({"a": archive})), "also a zip archive")


def test_operators_of_com_microsoft_are_allowed(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(
        forged.graph(
            node=helper.make_node("Gelu", ["w"], ["y"], domain="com.microsoft"), domains=["com.microsoft"]
        )
    )

    inspect_folder(tmp_path)


@pytest.fixture(scope="module")
def staging(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def accepted(staging: Path, name: str, content: bytes) -> bool:
    (staging / name).write_bytes(content)
    try:
        inspect_file(staging / name)
    except UnsafeModelFile:
        return False
    return True


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=300))
def test_random_bytes_are_accepted_only_when_valid(content: bytes, staging: Path) -> None:
    assert not accepted(staging, "model.onnx", content)
    if accepted(staging, "model.json", content):
        json.loads(content)
    if accepted(staging, "model.safetensors", content):
        safetensors.deserialize(content)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_mutated_file_is_rejected_or_still_valid(data: st.DataObject, staging: Path) -> None:
    name, whole = data.draw(
        st.sampled_from([("model.safetensors", forged.valid_safetensors()), ("model.onnx", forged.graph())])
    )
    start = data.draw(st.integers(0, len(whole)))
    content = whole[:start] + data.draw(st.binary(max_size=9)) + whole[start + data.draw(st.integers(0, 9)) :]

    if accepted(staging, name, content):
        if name == "model.onnx":
            onnx.checker.check_model(content)
        else:
            safetensors.deserialize(content)
