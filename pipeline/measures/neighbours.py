"""Metrics from nearest neighbours: precision, recall, density, coverage, and how near samples come to the training set."""

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NEIGHBOURS = 5
"""The k of precision, recall, density and coverage: the one that Naeem et al. recommend for density and coverage."""


def prdc(samples: NDArray[np.generic], reference: NDArray[np.generic], k: int = NEIGHBOURS) -> dict[str, float]:
    """Precision, recall, density and coverage of samples [N, D] against reference points [M, D].

    A ball around each point reaches to its k-th nearest neighbour among its own kind; a point is inside where it is nearer than
    that. Precision is the share of samples inside any ball of the reference, recall the share of the reference inside any ball
    of the samples (Kynkäänniemi et al., arXiv 1904.06991, section 2). Density is the mean number of the reference's balls that
    a sample is inside of, over k, and may exceed 1; coverage is the share of the reference's balls with a sample inside (Naeem
    et al., arXiv 2002.09797, section 3). Raises ValueError where there are no k neighbours.
    """
    if min(len(samples), len(reference)) <= k:
        raise ValueError(f"{len(samples)} samples and {len(reference)} reference points: each kind must be more than k = {k}")
    between = squared_distances(reference, samples)
    real_radii, fake_radii = _squared_radii(reference, k), _squared_radii(samples, k)
    in_real = between < real_radii[:, None]
    return {
        "precision": float(in_real.any(axis=0).mean()),
        "recall": float((between < fake_radii).any(axis=1).mean()),
        "density": float(np.count_nonzero(in_real) / (k * len(samples))),
        "coverage": float(in_real.any(axis=1).mean()),
    }


def nearest_distance(samples: NDArray[np.generic], training: NDArray[np.generic]) -> float:
    """The mean Euclidean distance from samples [N, D] to the nearest training point [M, D] of each, in the units given.

    The usual sign of memorisation (e.g. arXiv 2301.13188): it tends to 0 as samples become copies. Exactly 0 for copies of
    integer vectors, whose squares are exact.
    """
    return float(np.sqrt(squared_distances(samples, training).min(axis=1)).mean())


def squared_distances(a: NDArray[np.generic], b: NDArray[np.generic]) -> Floats:
    """Squared Euclidean distances [N, M] of a [N, D] and b [M, D], in float64, as |a|^2 + |b|^2 - 2 a.b."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    squares: Floats = x @ y.T
    squares *= -2
    squares += np.einsum("nd,nd->n", x, x)[:, None]
    squares += np.einsum("md,md->m", y, y)
    return squares.clip(min=0, out=squares)


def _squared_radii(points: NDArray[np.generic], k: int) -> Floats:
    """The squared distance [N] to each point's k-th nearest other one (the nearest of all is the point itself)."""
    nearest = torch.from_numpy(squared_distances(points, points)).topk(k + 1, largest=False)  # three times np.partition's speed
    radii: Floats = nearest.values[:, -1].numpy()
    return radii
