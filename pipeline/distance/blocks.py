"""Features of many samples, a block at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from pipeline.data.samples import Array
from pipeline.storage.within import lasting


@contextmanager
def in_float32() -> Iterator[None]:
    """Within it a GPU multiplies float32 as float32, whatever precision models are trained in."""
    import torch

    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    former = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = False
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = former


def in_blocks(samples: Array, size: int) -> Iterator[Array]:
    """Samples [N, ...], which may be a memory map, in blocks of at most `size`; tells how many are done."""
    with lasting(len(samples)) as within:
        for first in range(0, len(samples), size):
            yield np.array(samples[first : first + size])  # a copy: torch wants to be able to write
            within.tell(min(first + size, len(samples)))


def featured(samples: Array, size: int, features: Callable[[Array], NDArray[np.float32]]) -> NDArray[np.float32]:
    """Features [N, D] of samples [N, ...]."""
    return np.concatenate([features(block) for block in in_blocks(samples, size)])
