"""The folder of a trained model: weights as safetensors, config, tokenizer, history."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.io import files

if TYPE_CHECKING:
    from torch import Tensor


# Begin the names of the weights of a word head.
WORD_HEAD = ("transform.", "bias")
# In the folder of an encoder that was pretrained on masked words.
WORD_HEAD_FILE = "word_head.safetensors"
# Of one that was pretrained to predict the next word.
NEXT_WORD_HEAD_FILE = "next_word_head.safetensors"


def write_tensors(path: Path, tensors: "Mapping[str, Tensor]") -> None:
    """Write tensors as safetensors."""
    from safetensors.torch import save

    files.write_bytes(path, save({key: value.contiguous() for key, value in tensors.items()}))


def read_word_head(folder: Path) -> "Mapping[str, Tensor] | None":
    """Return the word head of a pretrained encoder, None where there is none."""
    from safetensors.torch import load

    paths = (folder / name for name in (NEXT_WORD_HEAD_FILE, WORD_HEAD_FILE))
    return next((load(path.read_bytes()) for path in paths if path.exists()), None)


def write_model(
    folder: Path,
    weights: "Mapping[str, Tensor]",
    config: Mapping[str, object],
    tokenizer: str,
    history: Sequence[Mapping[str, float]],
) -> None:
    """Write a trained model into a folder: model.safetensors, config.json, tokenizer.json, history.json."""
    write_tensors(folder / "model.safetensors", weights)
    files.write_json(folder / "config.json", config)
    files.write_bytes(folder / "tokenizer.json", tokenizer.encode())
    files.write_json(folder / "history.json", list(history))
