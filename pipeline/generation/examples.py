"""Where the samples of a training lie: on its device where they fit, else in their files."""

import hashlib

import numpy as np
import torch
from torch import Tensor

from models.diffusion.examples import Examples, Held, decoded
from pipeline.data.samples import Pool

HELD_BYTES = 2**28
"""Samples of at most so many bytes are held in a CPU's memory ..."""
HELD_SHARE = 0.25
"""... and those of at most this share of what is free on a GPU, on it."""
BLOCK = 4096


class Streamed:
    """Examples that are read from their files each time that they are seen."""

    def __init__(self, pool: Pool, device: torch.device, classes: int, flip: bool) -> None:
        self.pool, self.device, self.classes, self.flip = pool, device, classes, flip
        self.shape = pool.shape[1:]

    def __len__(self) -> int:
        return len(self.pool)

    def take(self, picked: Tensor) -> tuple[Tensor, Tensor | None]:
        """As `Examples.take`."""
        taken = self.pool.take(picked.cpu().numpy())
        labels = torch.from_numpy(taken.classes).to(self.device) if self.classes else None
        return decoded(torch.from_numpy(taken.values).to(self.device)), labels


def examples(pool: Pool, device: torch.device, classes: int, flip: bool) -> Examples:
    """The samples for a training; the same numbers wherever they lie."""
    free = torch.cuda.mem_get_info(device)[0] * HELD_SHARE if device.type == "cuda" else HELD_BYTES
    if int(np.prod(pool.shape)) * pool.dtype.itemsize > free:
        return Streamed(pool, device, classes, flip)
    taken = pool.take(np.arange(len(pool)))
    labels = torch.from_numpy(taken.classes).to(device) if classes else None
    return Held(torch.from_numpy(taken.values).to(device), labels, classes, flip)


def digest(pool: Pool) -> bytes:
    """A hash of all values and labels."""
    sha = hashlib.sha256(repr(pool.shape).encode())
    for first in range(0, len(pool), BLOCK):
        taken = pool.take(np.arange(first, min(first + BLOCK, len(pool))))
        sha.update(taken.values.tobytes())
        if taken.labels is not None:
            sha.update(taken.labels.tobytes())
    return sha.digest()
