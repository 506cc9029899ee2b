"""Points of an exactly known distribution."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.data.samples import Array
from pipeline.experiment.seeds import derive

FINEST = 1e-6
"""Of a number's size, float32 tells about a tenth of that apart."""


def check_resolved(where: str, distance: float, spread: str, deviation: float) -> None:
    """Raise ValueError where points, which are float32, would fall together: so far from 0 rounding takes their spread."""
    if deviation < FINEST * distance:
        raise ValueError(
            f"{spread} is not allowed: its least standard deviation, {deviation:.3g}, is below {FINEST:g} of {distance:g},"
            f" where {where} puts points, which are float32"
        )


@dataclass(frozen=True)
class Truth:
    """The mixture sum_k shares[k] N(means[k], covariances[k]) that points are drawn from: shapes [K], [K, D], [K, D, D]."""

    shares: NDArray[np.float64]
    means: NDArray[np.float64]
    covariances: NDArray[np.float64]

    @property
    def mean(self) -> NDArray[np.float64]:
        """The mixture's mean [D]."""
        return self.shares @ self.means

    @property
    def covariance(self) -> NDArray[np.float64]:
        """The mixture's covariance [D, D], within modes plus between them."""
        centred = self.means - self.mean
        return np.einsum("k,kij->ij", self.shares, self.covariances) + np.einsum("k,ki,kj->ij", self.shares, centred, centred)

    def draw(self, seed: int, n: int) -> NDArray[np.float32]:
        """n points [n, D] of the stream `seed`; a smaller n gives the first of them."""
        rng = np.random.Generator(np.random.Philox(key=seed))
        size = self.means.shape[1]
        uniform = rng.random((n, 1 + 4 * size))  # a fixed number of draws a point, so that prefixes agree
        mode = np.minimum(np.searchsorted(np.cumsum(self.shares), uniform[:, 0], side="right"), len(self.shares) - 1)
        radius = np.sqrt(-2 * np.log1p(-uniform[:, 1 : 1 + size]))
        normal = radius * np.cos(2 * np.pi * uniform[:, 1 + size : 1 + 2 * size])
        factors = np.linalg.cholesky(self.covariances)
        points: NDArray[np.float32] = (self.means[mode] + np.einsum("nij,nj->ni", factors[mode], normal)).astype(np.float32)
        return points


class Points:
    """Points of an exactly known truth; every seed draws its own real set, and held-out ones to choose by."""

    def __init__(self, truth: Truth, n_real: int, n_held_out: int = 0) -> None:
        self.truth = truth
        self.n_real = n_real
        self.n_held_out = n_held_out

    def real(self, seed: int) -> Array:
        """float32 [n_real, D]."""
        return self.truth.draw(derive(seed, "real"), self.n_real)

    def held_out(self, seed: int) -> Array:
        """float32 [n_held_out, D]."""
        return self.truth.draw(derive(seed, "held-out"), self.n_held_out)
