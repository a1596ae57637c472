"""Inspect model files before they are loaded: four formats are allowed, each file must be valid in its own.

Nothing is unpickled, unpacked or executed here. A file is parsed as strictly as its format allows and
rejected when in doubt. The registered MLflow model carries this module with it.
"""

import hashlib
import json
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base import logs
from pipeline.base.errors import UnsafeModelFile
from pipeline.io.security.model_formats import FORMATS

if TYPE_CHECKING:
    from pipeline.base.documents import ModelSettings

# A name and a suffix: no folder, no "..", no hidden file, no special character of terminals or URLs.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*\.[a-z]+")
MAX_NAME = 100


@dataclass(frozen=True)
class ModelFiles:
    """Hold the ONNX model, the tokenizer as JSON text, and the settings from model.json."""

    model: bytes
    tokenizer: str
    settings: "ModelSettings"


def read_model_folder(folder: Path) -> ModelFiles:
    """Inspect every file of a folder, then read the three a predictor is made of.

    Raises UnsafeModelFile when a file may not be part of a model, OSError when one is missing.
    """
    inspect_folder(folder)
    return ModelFiles(
        model=(folder / "model.onnx").read_bytes(),
        tokenizer=(folder / "tokenizer.json").read_text("utf-8"),
        settings=json.loads((folder / "model.json").read_text("utf-8")),
    )


def inspect_folder(folder: Path) -> None:
    """Raise UnsafeModelFile unless every file of a folder may be part of a model."""
    for path in sorted(folder.iterdir()):
        inspect_file(path)


def inspect_file(path: Path) -> None:
    """Raise UnsafeModelFile unless a file may be part of a model."""
    check_names([path.name])
    try:
        _check(path)
    except RecursionError as error:
        raise _rejection(str(path), "it is nested too deeply") from error
    except ValueError as error:
        raise _rejection(str(path), str(error)) from error


def largest_file(name: str) -> int:
    """Return the most bytes that a file of this name may have as a part of a model."""
    return FORMATS[Path(name).suffix][0]


def check_names(names: Iterable[str]) -> None:
    """Raise UnsafeModelFile unless each name is a plain file name with an allowed suffix."""
    for name in names:
        if not NAME.fullmatch(name) or len(name) > MAX_NAME:
            raise _rejection(
                repr(name),
                "it is no plain file name of letters, digits, _ and -, and a suffix",
            )
        if Path(name).suffix not in FORMATS:
            raise _rejection(repr(name), f"allowed suffixes are {', '.join(FORMATS)}")


def _rejection(file: str, why: str) -> UnsafeModelFile:
    logs.get("security").warning("model_file.rejected", file=file, why=why)
    return UnsafeModelFile(
        f"{file} may not be part of a model: {why}. It was not loaded; find out who wrote it."
    )


def _check(path: Path) -> None:
    if path.is_symlink() and not _leads_to_object(path):
        raise ValueError("it is a symbolic link, whose target can change")
    if not path.is_file():
        raise ValueError("it is not a regular file")
    max_bytes, parse = FORMATS[path.suffix]
    if path.stat().st_size > max_bytes:
        raise ValueError(f"it has {path.stat().st_size} bytes; the maximum is {max_bytes}")
    if _is_archive(path):
        raise ValueError("it is also a zip archive")
    parse(path)


def _leads_to_object(path: Path) -> bool:
    """Return whether a link leads to a file named by the MD5 of its bytes, as an object of DVC's cache."""
    target = path.resolve()
    if target.parent.parent.name != "md5" or not target.is_file():
        return False
    with target.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return target.parent.name + target.name == digest


def _is_archive(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path):
            return True
    except Exception:  # zipfile raises many types for other files
        return False
