"""Weights divided among the workers, where a model does not fit the memory of one of them.

Fully sharded data parallel (Zhao et al., 2023): a worker holds its part of each weight, of the gradient and
of the moments of the optimizer; the weights of a block are gathered while the block computes.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from pipeline.core.methods.blocks import blocks_of


def divide_weights(model: nn.Module, device: torch.device) -> None:
    """Divide the weights of a model on an encoder among all workers, in place; each part goes to `device`.

    All workers must have built equal weights. One block at a time is moved, so the whole never lies on it.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    for block in blocks_of(model.encoder):
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)


def is_divided(model: nn.Module) -> bool:
    """Return whether the weights of a model are divided among workers."""
    return any(isinstance(weight, DTensor) for weight in model.parameters())


def whole(value: Tensor) -> Tensor:
    """Return the whole of a tensor; where it is divided, all workers must ask for it."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def whole_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return the weights of a model by name; where they are divided, all workers must ask for them.

    Divided ones are gathered one after the other into the memory of the processor.
    """
    return {
        name: whole(value).cpu() if isinstance(value, DTensor) else value
        for name, value in model.state_dict().items()
    }


def part_of(value: Tensor, like: Tensor) -> Tensor:
    """Return this worker's part of a whole tensor, divided as `like` is; no worker waits for another."""
    if not isinstance(like, DTensor) or value.shape != like.shape:
        return value
    whole_value = value.to(like.device)
    return distribute_tensor(whole_value, like.device_mesh, like.placements, src_data_rank=None)


def load_whole(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give a model, divided or not, the whole weights of a checkpoint."""
    now = model.state_dict()
    model.load_state_dict({name: part_of(value, now[name]) for name, value in weights.items()})
