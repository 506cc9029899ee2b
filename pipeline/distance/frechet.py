"""The Fréchet distance, from its definition."""

import numpy as np
from numpy.typing import NDArray

from pipeline.data.samples import Array

Floats = NDArray[np.float64]


def frechet(mean_a: Floats, cov_a: Floats, mean_b: Floats, cov_b: Floats) -> float:
    """The squared Fréchet (Wasserstein-2) distance of two Gaussians, |m_a - m_b|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2).

    Means [D], covariances [D, D] (Dowson and Landau 1982; as FID in arXiv 1706.08500). Two symmetric eigendecompositions: the
    value of clean-fid's matrix square root, but exact for singular covariances too.
    """
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ cov_b @ root).clip(min=0)).sum()
    shift = mean_a - mean_b
    return float(shift @ shift + np.trace(cov_a) + np.trace(cov_b) - 2 * cross)


def moments(features: Array) -> tuple[Floats, Floats]:
    """Mean [D] and covariance [D, D] of features [N, D], in float64."""
    exact = features.astype(np.float64)
    return exact.mean(axis=0), np.atleast_2d(np.cov(exact, rowvar=False))
