"""Distances of all pairs."""

import numpy as np
from numpy.typing import NDArray

from pipeline.distance.frechet import Floats


def squared_distances(a: NDArray[np.generic], b: NDArray[np.generic]) -> Floats:
    """Squared Euclidean distances [N, M] of a [N, D] and b [M, D], in float64, as |a|^2 + |b|^2 - 2 a.b."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    squares: Floats = x @ y.T
    squares *= -2
    squares += np.einsum("nd,nd->n", x, x)[:, None]
    squares += np.einsum("md,md->m", y, y)
    return squares.clip(min=0, out=squares)
