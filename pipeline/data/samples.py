"""Samples as they lie in files, and as models work on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.experiment.seeds import derive

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


class Pool:
    """Samples of several sources, one after the other, or some of them by index; nothing is copied before `take`."""

    def __init__(self, sources: Sequence[Labelled], index: NDArray[np.int64] | None = None) -> None:
        self._sources = tuple(sources)
        self._starts = np.cumsum([0, *map(len, self._sources)])
        self._index = index

    @property
    def shape(self) -> tuple[int, ...]:
        """[N, ...], as an array's."""
        return len(self), *self._sources[0].values.shape[1:]

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """uint8 of images, float32 of points."""
        return self._sources[0].values.dtype

    @property
    def has_labels(self) -> bool:
        """Whether every source has."""
        return all(source.labels is not None for source in self._sources)

    @property
    def places(self) -> NDArray[np.int64]:
        """Where the samples are in the sources, one after the other, [N]."""
        return np.arange(self._starts[-1]) if self._index is None else self._index

    def __len__(self) -> int:
        return int(self._starts[-1]) if self._index is None else len(self._index)

    def __getitem__(self, part: slice | NDArray[np.generic]) -> "Pool":
        return Pool(self._sources, self.places[part])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        values = self.take(np.arange(len(self))).values
        return values if dtype is None else values.astype(dtype)

    @property
    def sources(self) -> tuple[Labelled, ...]:
        """What it is made of."""
        return self._sources

    def take(self, picked: NDArray[np.int64]) -> Labelled:
        """The samples at places [B], copied."""
        places = picked if self._index is None else self._index[picked]
        values = np.empty((len(places), *self.shape[1:]), self.dtype)
        labels = np.empty(len(places), np.int64) if self.has_labels else None
        origin = np.searchsorted(self._starts, places, side="right") - 1
        for number, source in enumerate(self._sources):
            (here,) = np.nonzero(origin == number)
            inside = places[here] - self._starts[number]
            values[here] = source.values[inside]
            if labels is not None:
                labels[here] = source.classes[inside]
        return Labelled(values, labels)


def some_places(n: int, at_most: int) -> NDArray[np.int64]:
    """At most so many of the places from 0 to n, in their order, drawn the same way every time."""
    return np.sort(np.random.default_rng(derive(0, "some")).permutation(n)[:at_most])


def some(values: NDArray[Any], at_most: int) -> NDArray[Any]:
    """At most so many of values [N, ...], which may be a memory map, drawn the same way; all of them as they are."""
    return values if len(values) <= at_most else values[some_places(len(values), at_most)]


def joined(parts: Sequence[Labelled | Pool]) -> Pool:
    """All samples, one part after the other."""
    pools = [part if isinstance(part, Pool) else Pool([part]) for part in parts]
    sources = [source for pool in pools for source in pool.sources]
    if all(pool._index is None for pool in pools):
        return Pool(sources)
    starts = np.cumsum([0, *(sum(map(len, pool.sources)) for pool in pools)])
    return Pool(sources, np.concatenate([pool.places + start for pool, start in zip(pools, starts)]))


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
