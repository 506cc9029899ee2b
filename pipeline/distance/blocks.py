"""Features of many samples, a block at a time."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.data.samples import Array


def in_blocks(samples: Array, size: int) -> Iterator[Array]:
    """Samples [N, ...], which may be a memory map, in blocks of at most `size`."""
    for first in range(0, len(samples), size):
        yield np.array(samples[first : first + size])  # a copy: torch wants to be able to write


def featured(samples: Array, size: int, features: Callable[[Array], NDArray[np.float32]]) -> NDArray[np.float32]:
    """Features [N, D] of samples [N, ...]."""
    return np.concatenate([features(block) for block in in_blocks(samples, size)])
