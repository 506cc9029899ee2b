"""The real data: points of a known truth or a finite set of images, and the registry of datasets."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.params import Params
from pipeline.sections import DigitsData, GaussianData, MixtureData
from pipeline.seeds import derive

Array = NDArray[np.generic]

SPLIT_SEED = 20240829
"""The split of a finite dataset into training and reference is fixed: it is no part of an experiment's randomness."""


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


@dataclass(frozen=True)
class Labelled:
    """Images [N, C, H, W], uint8, with their class labels [N]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


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


class Images:
    """A finite set of labelled images with a fixed split; every seed trains on the same real set.

    The first `n_held_out` of those that nothing is trained on are to choose by, the others to report by.
    """

    def __init__(self, training: Labelled, rest: Labelled, n_held_out: int = 0) -> None:
        self.training = training
        self.selection = Labelled(rest.images[:n_held_out], rest.labels[:n_held_out])
        self.reference = Labelled(rest.images[n_held_out:], rest.labels[n_held_out:])

    def real(self, seed: int) -> Array:
        """uint8 [N, C, H, W]."""
        return self.training.images

    def held_out(self, seed: int) -> Array:
        """uint8 [n_held_out, C, H, W]."""
        return self.selection.images


def gaussian(data: GaussianData, n_held_out: int = 0) -> Points:
    """One Gaussian with the mean and covariance of params.yaml."""
    truth = Truth(np.ones(1), np.array([data.mean], dtype=np.float64), np.array([data.covariance], dtype=np.float64))
    return Points(truth, data.n_real, n_held_out)


def gaussian_mixture(data: MixtureData, n_held_out: int = 0) -> Points:
    """A square grid of equal isotropic Gaussians in the plane, centred on the origin."""
    axis = (np.arange(data.modes) - (data.modes - 1) / 2) * data.spacing
    means = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    covariances = np.broadcast_to(np.eye(2) * data.spread**2, (len(means), 2, 2))
    return Points(Truth(np.full(len(means), 1 / len(means)), means, covariances), data.n_real, n_held_out)


def digits(data: DigitsData, n_held_out: int = 0) -> Images:
    """The 1,797 handwritten 8x8 digits that scikit-learn ships (0..16 grey levels become 0..255)."""
    shipped = _shipped_digits()
    order = np.random.Generator(np.random.Philox(key=SPLIT_SEED)).permutation(len(shipped.images))
    parts = (order[: data.n_real], order[data.n_real :])
    training, rest = (Labelled(shipped.images[part], shipped.labels[part]) for part in parts)
    return Images(training, rest, n_held_out)


@cache
def _shipped_digits() -> Labelled:
    from sklearn.datasets import load_digits

    raw = load_digits()
    return Labelled(np.rint(raw.images[:, None] * (255 / 16)).astype(np.uint8), raw.target)


DATASETS: dict[str, Callable[[Any, int], Points | Images]] = {
    "gaussian": gaussian,
    "gaussian-mixture": gaussian_mixture,
    "digits": digits,
}


def dataset(params: Params) -> Points | Images:
    """The dataset that params.yaml names."""
    return DATASETS[params.data.kind](params.data, params.evaluation.selection or 0)


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
