"""The blocks of an encoder of any family, and how deep in it a weight lies."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from pipeline.core.model.encoder import Encoder

# The norm of ModernBERT above its highest block; other families end with a block.
ABOVE_BLOCKS = ("final_norm.",)


def blocks_of(encoder: "Encoder") -> nn.ModuleList:
    """Return the blocks of an encoder, the lowest first."""
    return encoder.get_submodule(_path_of_blocks(encoder))  # type: ignore[no-any-return]


def matrices_of(encoder: "Encoder") -> Iterator[tuple[str, str]]:
    """Yield the path of each matrix of the blocks, and its name within its block."""
    path = _path_of_blocks(encoder)
    for number, block in enumerate(blocks_of(encoder)):
        for name, module in block.named_modules():
            if isinstance(module, nn.Linear):
                yield f"{path}.{number}.{name}", name


def depths(model: nn.Module) -> dict[str, int]:
    """Return the depth of each parameter of a model on an encoder: 0 below the blocks, then their number.

    What lies above the blocks, the head too, has the depth of the highest block plus one.
    """
    encoder: Encoder = model.encoder
    block = re.compile(rf"{re.escape(_path_of_blocks(encoder))}\.(\d+)\.")
    above = len(blocks_of(encoder)) + 1
    found = {}
    for name, _ in model.named_parameters():
        inside = name.removeprefix("encoder.")
        if inside == name or inside.startswith(ABOVE_BLOCKS):
            found[name] = above
        else:
            number = block.match(inside)
            found[name] = int(number[1]) + 1 if number else 0
    return found


def _path_of_blocks(encoder: "Encoder") -> str:
    count = encoder.config.num_hidden_layers
    paths: Iterator[str] = (
        name
        for name, module in encoder.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == count
    )
    return next(paths)
