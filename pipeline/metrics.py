"""Distances between samples and the truth, each from its definition."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets import Array, Truth

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


def point_metrics(truth: Truth, samples: Array) -> dict[str, Any]:
    """Points [N, D] against their exact truth: Fréchet distance, mean and trace, and lost modes of a mixture."""
    mean, covariance = moments(samples)
    metrics = {
        "fid": frechet(mean, covariance, truth.mean, truth.covariance),
        "mean_error": float(np.linalg.norm(mean - truth.mean)),
        "trace": float(np.trace(covariance)),
        "trace_ratio": float(np.trace(covariance) / np.trace(truth.covariance)),
        "n_samples": len(samples),
        "extractor": "identity",
    }
    if len(truth.shares) > 1:
        metrics["modes_lost"] = modes_lost(truth, samples)
    return metrics


def modes_lost(truth: Truth, samples: Array) -> int:
    """Modes that fewer than a tenth of their share of the samples lie within three standard deviations of."""
    inverse = np.linalg.inv(truth.covariances)
    offsets = samples.astype(np.float64)[:, None] - truth.means
    inside = np.einsum("nki,kij,nkj->nk", offsets, inverse, offsets) < 9
    return int((inside.mean(axis=0) < truth.shares / 10).sum())
