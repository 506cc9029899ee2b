"""Distances between samples and the truth, each from its definition."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets import Array, Truth
from pipeline.measures.kernel import SUBSETS, kid, subset_size
from pipeline.measures.neighbours import NEIGHBOURS, nearest_distance, prdc
from pipeline.measures.sliced import DIRECTIONS, sliced_wasserstein
from pipeline.seeds import derive

Floats = NDArray[np.float64]

SEED = 0
"""What samples are judged by belongs to the data, not to an experiment's seeds: every chain is judged by the same draws."""

PRDC_AT_MOST = 1000
NEAREST_AT_MOST = 1000
"""Distances of all pairs grow with the square of the count, so that those metrics look at the first samples only."""

INFINITY_PARTS = 5


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


def fid_infinity(features: Array, mean: Floats, covariance: Floats) -> dict[str, float]:
    """What the Fréchet distance of features [N, D] from a mean [D] and covariance [D, D] tends to as N grows.

    fid_infinity is the value at 1/N = 0 of the least-squares line through distances over 1/N (Chong and Forsyth, arXiv
    1911.07023). They are those of all features, and the means over their halves, thirds, ... down to INFINITY_PARTS parts of
    n_infinity features each: the paper's single subsets would add their own noise. It takes away the bias of finite samples,
    not of a finite reference, and may be below 0. Needs N of 2 INFINITY_PARTS or more.
    """
    sizes = [len(features) // parts for parts in range(1, INFINITY_PARTS + 1)]

    def mean_distance(size: int) -> float:
        starts = range(0, len(features) - size + 1, size)
        return float(np.mean([frechet(*moments(features[start : start + size]), mean, covariance) for start in starts]))

    x, y = 1 / np.array(sizes), np.array([mean_distance(size) for size in sizes])
    slope = (x - x.mean()) @ y / np.square(x - x.mean()).sum()
    return {"fid_infinity": float(y.mean() - slope * x.mean()), "n_infinity": sizes[-1]}


def feature_metrics(samples: Array, reference: Array) -> dict[str, float]:
    """Features [N, D] against a reference's [M, D]: KID, precision, recall, density and coverage, with their counts.

    KID is over n_kid_subsets subsets of n_kid of each. The other four are of the first n_prdc samples and n_prdc_reference
    reference points (PRDC_AT_MOST at most), with n_neighbours for k; they are left out where there are no k neighbours.
    """
    metrics: dict[str, float] = {
        "kid": kid(samples, reference, derive(SEED, "kid")),
        "n_kid": subset_size(len(samples), len(reference)),
        "n_kid_subsets": SUBSETS,
        "n_reference": len(reference),
    }
    fake, real = samples[:PRDC_AT_MOST], reference[:PRDC_AT_MOST]
    if min(len(fake), len(real)) > NEIGHBOURS:
        metrics |= prdc(fake, real)
        metrics |= {"n_prdc": len(fake), "n_prdc_reference": len(real), "n_neighbours": NEIGHBOURS}
    return metrics


def point_metrics(truth: Truth, samples: Array, infinity: bool = False) -> dict[str, Any]:
    """Points [N, D] against their truth: the Fréchet distance and moments exactly, the others against as many points of it.

    mean_error is the norm of the mean's error, covariance_error the Frobenius norm of the covariance's. The reference draw is
    the same for all samples, and no training set. A mixture has its modes' metrics too; `infinity` adds fid_infinity.
    """
    mean, covariance = moments(samples)
    reference = truth.draw(derive(SEED, "reference"), len(samples))
    metrics: dict[str, Any] = {
        "fid": frechet(mean, covariance, truth.mean, truth.covariance),
        "mean_error": float(np.linalg.norm(mean - truth.mean)),
        "covariance_error": float(np.linalg.norm(covariance - truth.covariance)),
        "trace": float(np.trace(covariance)),
        "trace_ratio": float(np.trace(covariance) / np.trace(truth.covariance)),
        "sliced_wasserstein": sliced_wasserstein(samples, reference, derive(SEED, "directions")),
        "n_directions": DIRECTIONS,
        "n_samples": len(samples),
        "extractor": "identity",
    }
    metrics |= feature_metrics(samples, reference)
    if infinity:
        metrics |= fid_infinity(samples, truth.mean, truth.covariance)
    if len(truth.shares) > 1:
        metrics |= mode_metrics(truth, samples)
    return metrics


def mode_metrics(truth: Truth, samples: Array) -> dict[str, Any]:
    """Each mode's share and spread among points [N, D] of a mixture, and how many modes are lost.

    Every point belongs to the mode that it is likeliest from. mode_shares [K] sum to 1; mode_spreads [K] are the standard
    deviation of a coordinate about the mode's own mean, in the points' units, and 0 for a mode without points. modes_lost
    counts those that fewer than a tenth of their share of the samples lie within three standard deviations of.
    """
    inverse = np.linalg.inv(truth.covariances)
    points = samples.astype(np.float64)
    offsets = points[:, None] - truth.means
    squared = np.einsum("nki,kij,nkj->nk", offsets, inverse, offsets)
    likeliest = (np.log(truth.shares) - np.linalg.slogdet(truth.covariances)[1] / 2 - squared / 2).argmax(axis=1)
    parts = [points[likeliest == mode] for mode in range(len(truth.shares))]
    return {
        "modes_lost": int(((squared < 9).mean(axis=0) < truth.shares / 10).sum()),
        "mode_shares": [len(part) / len(points) for part in parts],
        "mode_spreads": [float(np.sqrt(part.var(axis=0).mean())) if len(part) else 0.0 for part in parts],
    }


def class_entropy(labels: NDArray[np.int64]) -> float:
    """The entropy of the histogram of labels [N], in nats: 0 where all are one class, ln K where K are equally frequent."""
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(-(shares * np.log(shares)).sum())


def memorisation(images: Array, training: Array) -> dict[str, float]:
    """The mean distance of the first n_nearest uint8 images [N, ...] to the nearest training image of each.

    At most NEAREST_AT_MOST are looked at. Euclidean, over all pixels, with pixels scaled to [0, 1]. Its floor is the same for
    real images that were not trained on.
    """
    some = images[:NEAREST_AT_MOST]
    distance = nearest_distance(some.reshape(len(some), -1), training.reshape(len(training), -1))
    return {"nearest_training_distance": distance / 255, "n_nearest": len(some)}
