"""Samples as they lie in files, and as models work on them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]
"""float32 points [N, D], or uint8 images [N, C, H, W]."""
Labels = NDArray[np.int64]
"""The class [N] of each sample, counted from 0."""


@dataclass(frozen=True)
class Labelled:
    """Samples [N, ...] with their class labels [N], where they have any; the values may be a memory map."""

    values: Array
    labels: Labels | None = None

    @property
    def classes(self) -> Labels:
        """The labels. Raises ValueError where there are none."""
        if self.labels is None:
            raise ValueError("this data set has no labels")
        return self.labels

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, part: slice | NDArray[np.generic]) -> "Labelled":
        return Labelled(self.values[part], None if self.labels is None else self.labels[part])


def joined(parts: Sequence[Labelled]) -> Labelled:
    """All samples, one part after the other; they have labels where each part has."""
    labels = [part.labels for part in parts if part.labels is not None]
    values = np.concatenate([part.values for part in parts])
    return Labelled(values, np.concatenate(labels) if len(labels) == len(parts) else None)


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
