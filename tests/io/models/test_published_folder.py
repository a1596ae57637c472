"""The folder of a published model: three files are inspected and read, nothing else is opened."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import canaries
import pytest
from tiny_starts import write_folder

from pipeline.base.errors import ConfigError, UnsafeModelFile
from pipeline.io.models.published_folder import PUBLISHED, folder_identity, read_published_folder

WHERE = "encoder.folder of params.yaml (mine)"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("published") / "mine", "roberta")


@pytest.fixture
def folder(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "mine"))


def read(folder: Path) -> Any:
    return read_published_folder(folder, where=WHERE)


def test_three_files_are_read_and_others_left_alone(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(canaries.system(folder / "canary"))
    (folder / "modeling_mine.py").write_text("raise SystemExit", "utf-8")

    files = read(folder)

    assert files.config["model_type"] == "roberta"
    assert "roberta.embeddings.word_embeddings.weight" in files.weights
    assert json.loads(files.tokenizer)["model"]["type"] == "BPE"
    assert folder_identity(folder).split() == [files.digests[name] for name in PUBLISHED]
    assert not (folder / "canary").exists()


def test_other_weights_are_another_identity(folder: Path) -> None:
    before = folder_identity(folder)
    (folder / "config.json").write_text("{}", "utf-8")

    assert folder_identity(folder) != before
    assert folder_identity(folder / "gone") == ""


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named_with_what_to_do(folder: Path, name: str) -> None:
    (folder / name).unlink()

    with pytest.raises(ConfigError, match=rf"^encoder\.folder.*\(mine\): it has no {name}\. Save .*choose"):
        read(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no such folder\. Correct it in params\.yaml"):
        read(tmp_path / "gone")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.ckpt", "tf_model.h5"])
def test_pickled_weights_are_refused_and_not_opened(folder: Path, name: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(canaries.checkpoint(folder / "canary"))

    with pytest.raises(ConfigError, match=rf"{name} is not read: a pickle can run code.*save_pretrained"):
        read(folder)
    assert not (folder / "canary").exists()


@pytest.mark.parametrize("kind", canaries.KINDS)
@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_pickle_by_another_name_is_refused(folder: Path, name: str, kind: Callable[[Path], bytes]) -> None:
    (folder / name).write_bytes(kind(folder / "canary"))

    with pytest.raises(UnsafeModelFile, match=rf"{name} may not be part of a model.*`start: package`"):
        read(folder)
    assert not (folder / "canary").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"auto_map": {"AutoModel": "mine--modeling.Mine"}},
        {"text_config": {"auto_map": {"AutoConfig": "x.Y"}}},
        {"trust_remote_code": True},
    ],
)
def test_a_config_that_asks_for_code_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    folder = write_folder(tmp_path / "mine", "roberta", **change)

    with pytest.raises(UnsafeModelFile, match=r"requests remote code.*choose another model in params\.yaml"):
        read(folder)


def test_weights_in_several_files_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    (folder / "model.safetensors.index.json").write_text("{}", "utf-8")

    with pytest.raises(ConfigError, match="in several files"):
        read(folder)


def test_a_config_that_holds_no_entries_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text("[1]", "utf-8")

    with pytest.raises(ConfigError, match="holds no entries"):
        read(folder)


def test_weights_that_were_cut_off_are_refused(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-4])

    with pytest.raises(UnsafeModelFile, match=r"bytes outside|its tensors|size"):
        read(folder)


@pytest.mark.parametrize(
    "tensor",
    [
        {"dtype": ["F32"], "shape": [0], "data_offsets": [0, 0]},
        {"dtype": "F32", "shape": [0, 2**64], "data_offsets": [0, 0]},
        {"dtype": "F32", "shape": [2**40, 2**40, 0], "data_offsets": [0, 0]},
    ],
)
def test_a_header_that_the_reader_would_not_take_is_refused(folder: Path, tensor: dict[str, Any]) -> None:
    header = json.dumps({"one": tensor}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)

    with pytest.raises(
        UnsafeModelFile, match=r"model\.safetensors may not be part of a model: its tensor 'one'"
    ):
        read(folder)
