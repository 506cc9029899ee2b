"""Samples as they lie in files, and as models work on them."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]
"""float32 points [N, D], or uint8 images [N, C, H, W]."""


def decode(samples: Array) -> NDArray[np.float32]:
    """What models work on: points as they are, uint8 images scaled to [-1, 1]."""
    if samples.dtype == np.uint8:
        return samples.astype(np.float32) / np.float32(127.5) - np.float32(1)
    return samples.astype(np.float32, copy=False)


def encode(values: NDArray[np.float32], like: Array) -> Array:
    """The inverse of `decode`, in the kind of data that `like` is: float32 points, or clipped and rounded uint8 images."""
    if like.dtype == np.uint8:
        return np.rint((np.clip(values, -1, 1) + np.float32(1)) * np.float32(127.5)).astype(np.uint8)
    return values.astype(np.float32, copy=False)
