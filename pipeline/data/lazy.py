"""Samples that are read when they are looked at."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.data.samples import Array


class _Lazy:
    """As much of an array as samples need: shape, dtype, length, and parts by slice or index, which are lazy, too."""

    def __init__(
        self, read: Callable[[NDArray[np.int64]], Array], shape: tuple[int, ...], dtype: Any, index: NDArray[np.int64]
    ) -> None:
        self._read, self._index = read, index
        self.shape, self.dtype, self.ndim = (len(index), *shape), np.dtype(dtype), 1 + len(shape)

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, part: slice | NDArray[np.generic]) -> "_Lazy":
        return _Lazy(self._read, self.shape[1:], self.dtype, self._index[part])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        values = self._read(self._index)
        return values if dtype is None else values.astype(dtype)


def lazy(read: Callable[[NDArray[np.int64]], Array], n: int, shape: tuple[int, ...]) -> Array:
    """n uint8 images of a shape, given by `read`, (places [B]) -> [B, ...], when `np.asarray` asks for them."""
    return cast(Array, _Lazy(read, shape, np.uint8, np.arange(n)))
