"""The files of a published model: each is inspected before it is read, and none of them is run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.base.errors import ConfigError, UnsafeModelFile
from pipeline.io import files
from pipeline.io.security.model_files import inspect_file

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
PUBLISHED = (CONFIG, TOKENIZER, WEIGHTS)
# Formats whose reading can run code, and others that are not read.
OTHER_WEIGHTS = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
MISSING = {
    CONFIG: "Save the model there with `save_pretrained`",
    WEIGHTS: "Save the model there with `save_pretrained`",
    TOKENIZER: "Save its fast tokenizer there with `save_pretrained`",
}


@dataclass(frozen=True)
class PublishedFiles:
    """Hold the content of the three files of a published model, and their SHA-256 by name."""

    config: Mapping[str, Any]
    weights: "Mapping[str, Tensor]"
    tokenizer: str
    digests: Mapping[str, str]


def read_published_folder(folder: Path, *, where: str) -> PublishedFiles:
    """Inspect the three files of a published model, then read them; other files there are not opened.

    `where` names the folder and its key of params.yaml. Raises ConfigError for what is missing, and
    UnsafeModelFile for a file that is not what its name says, or asks for code.
    """
    if not folder.is_dir():
        raise ConfigError(f"{where}: there is no such folder. Correct it in params.yaml.")
    for name in PUBLISHED:
        if not (folder / name).is_file():
            raise ConfigError(f"{where}: {missing_sentence(name, [path.name for path in folder.iterdir()])}")
        inspect_published(folder / name, where=where)
    return _read(folder, where)


def inspect_published(path: Path, *, where: str) -> None:
    """Raise UnsafeModelFile, with what else to choose, for a file that may not be part of a model."""
    try:
        inspect_file(path)
    except UnsafeModelFile as error:
        raise UnsafeModelFile(
            f"{where}: {error} Or choose another model in params.yaml, or write `start: package`."
        ) from error


def missing_sentence(name: str, others: Sequence[str]) -> str:
    """Return the sentence about a file that is missing among others, and what to do."""
    pickled = sorted(other for other in others if Path(other).suffix in OTHER_WEIGHTS)
    if name == WEIGHTS and f"{WEIGHTS}.index.json" in others:
        return f"the weights are in several files. Save them as one {WEIGHTS}, or choose a smaller model."
    if name == WEIGHTS and pickled:
        return (
            f"it has no {WEIGHTS}, and {pickled[0]} is not read: a pickle can run code. Save the model "
            "where you trust it with `save_pretrained(FOLDER)`, which writes safetensors, or choose another."
        )
    return f"it has no {name}. {MISSING[name]}, or choose another model in params.yaml."


def folder_identity(folder: Path) -> str:
    """Return the digests of the files of a published model, empty for those that are missing."""
    return " ".join(
        files.sha256(folder / name) if (folder / name).is_file() else "" for name in PUBLISHED
    ).strip()


def _read(folder: Path, where: str) -> PublishedFiles:
    from safetensors.torch import load_file

    config = json.loads((folder / CONFIG).read_text("utf-8"))
    if not isinstance(config, dict):
        raise ConfigError(f"{where}: {CONFIG} holds no entries. {MISSING[CONFIG]}.")
    return PublishedFiles(
        config,
        load_file(folder / WEIGHTS),
        (folder / TOKENIZER).read_text("utf-8"),
        {name: files.sha256(folder / name) for name in PUBLISHED},
    )
