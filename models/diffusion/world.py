"""One process, or several that train and sample one model together: each has its part of every batch and of the blocks.

With one, nothing here changes a bit. With several, the gradients of a batch are the sum of its parts', up to rounding.
"""

import torch
import torch.distributed as dist
from torch import Tensor


def size() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this one is, counted from 0, which alone keeps states."""
    return dist.get_rank() if size() > 1 else 0


def device() -> torch.device:
    """Where a tensor must lie that the processes exchange: NCCL knows none but a GPU's."""
    return torch.device("cuda" if size() > 1 and dist.get_backend() == "nccl" else "cpu")


def add_up(tensor: Tensor) -> Tensor:
    """Put the sum over all processes in the tensor's place."""
    if size() > 1:
        dist.all_reduce(tensor)
    return tensor


def gathered(tensor: Tensor) -> list[Tensor]:
    """What every process gives, in their order; all have the same shape."""
    if size() == 1:
        return [tensor]
    all_of_them = [torch.empty_like(tensor) for _ in range(size())]
    dist.all_gather(all_of_them, tensor)
    return all_of_them
