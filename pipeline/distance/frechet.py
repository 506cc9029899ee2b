"""The Fréchet distance, from its definition."""

import sys
from collections.abc import Iterable
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from pipeline.data.samples import Array

Floats = NDArray[np.float64]
MANY = 2**23
"""Features of more values than this are summed up in blocks, since a copy in float64 would be large."""
BLOCK = 1024
LARGE = 512
"""From so many dimensions Cholesky's factor takes the place of the root, and a GPU computes, where torch has one."""


def frechet(mean_a: Floats, cov_a: Floats, mean_b: Floats, cov_b: Floats) -> float:
    """The squared Fréchet (Wasserstein-2) distance of two Gaussians, |m_a - m_b|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2).

    Means [D], covariances [D, D] (Dowson and Landau 1982; as FID in arXiv 1706.08500). By symmetric eigendecompositions: the
    value of clean-fid's matrix square root, but exact for singular covariances too. With A = R R^T the eigenvalues of R^T B R
    are those of A^1/2 B A^1/2, so that many dimensions need no root of A that is symmetric.
    """
    cross = (_cross_on_gpu if len(mean_a) >= LARGE and _has_gpu() else _cross)(cov_a, cov_b)
    shift = mean_a - mean_b
    return float(shift @ shift + np.trace(cov_a) + np.trace(cov_b) - 2 * cross)


def _cross(cov_a: Floats, cov_b: Floats) -> float:
    """tr (A^1/2 B A^1/2)^1/2."""
    if len(cov_a) >= LARGE:
        with suppress(np.linalg.LinAlgError):  # singular, as of fewer samples than dimensions
            factor = np.linalg.cholesky(cov_a)
            return float(np.sqrt(np.linalg.eigvalsh(factor.T @ cov_b @ factor).clip(min=0)).sum())
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    return float(np.sqrt(np.linalg.eigvalsh(root @ cov_b @ root).clip(min=0)).sum())


def _cross_on_gpu(cov_a: Floats, cov_b: Floats) -> float:
    """The same in float64 on the first GPU."""
    import torch

    a, b = (torch.from_numpy(covariance).cuda() for covariance in (cov_a, cov_b))
    root, failed = torch.linalg.cholesky_ex(a)
    if int(failed):
        values, vectors = torch.linalg.eigh(a)
        root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return float(torch.linalg.eigvalsh(root.T @ b @ root).clamp(min=0).sqrt().sum())


def _has_gpu() -> bool:
    """Whether this process has torch, and torch a GPU."""
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.cuda.is_available())


def moments(features: Array) -> tuple[Floats, Floats]:
    """Mean [D] and covariance [D, D] of features [N, D], in float64."""
    if features.size > MANY:
        mean, covariance, _ = running_moments(features[first : first + BLOCK] for first in range(0, len(features), BLOCK))
        return mean, covariance
    exact = features.astype(np.float64)
    return exact.mean(axis=0), np.atleast_2d(np.cov(exact, rowvar=False))


def running_moments(blocks: Iterable[NDArray[np.generic]]) -> tuple[Floats, Floats, int]:
    """Mean [D], covariance [D, D] (N - 1) and count of features that come in blocks [B, D], in float64."""
    mean, scatter, count = running_sums(blocks)
    return mean, scatter / (count - 1), count


def running_sums(blocks: Iterable[NDArray[np.generic]]) -> tuple[Floats, Floats, int]:
    """Mean [D], summed products of the deviations from it [D, D], and count of features in blocks [B, D], in float64.

    Sums of deviations from the first block's mean, so that nothing cancels (Chan, Golub and LeVeque 1983).
    """
    count, shift, total, products = 0, np.zeros(0), np.zeros(0), np.zeros((0, 0))
    for block in blocks:
        exact = block.astype(np.float64)
        if not count:
            shift = exact.mean(axis=0)
            total, products = np.zeros_like(shift), np.zeros((len(shift), len(shift)))
        exact -= shift
        total += exact.sum(axis=0)
        products += exact.T @ exact
        count += len(block)
    mean = total / count
    return mean + shift, products - count * np.outer(mean, mean), count
