"""Precision, recall, density and coverage: metrics from nearest neighbours."""

import numpy as np
from numpy.typing import NDArray

from pipeline.data.samples import some
from pipeline.distance.neighbours import squared_distances
from pipeline.experiment.kinds import METRICS, Section
from pipeline.judging.judged import Judged

Floats = NDArray[np.float64]

NEIGHBOURS = 5
"""The k of precision, recall, density and coverage: the one that Naeem et al. recommend for density and coverage."""


AT_MOST = 1000
"""Distances of all pairs grow with the square of the count, so that the first samples only are looked at."""
BLOCK = 1024
"""The distances of so many points are held at a time. Not below AT_MOST: another block is another rounding."""


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
    real_radii, fake_radii = _squared_radii(reference, k), _squared_radii(samples, k)
    precise, recalled, covered, inside = np.zeros(len(samples), bool), 0, 0, 0
    for first in range(0, len(reference), BLOCK):
        between = squared_distances(reference[first : first + BLOCK], samples)
        in_real = between < real_radii[first : first + BLOCK, None]
        precise |= in_real.any(axis=0)
        recalled += int(np.count_nonzero((between < fake_radii).any(axis=1)))
        covered += int(np.count_nonzero(in_real.any(axis=1)))
        inside += int(np.count_nonzero(in_real))
    return {
        "precision": float(precise.mean()),
        "recall": recalled / len(reference),
        "density": inside / (k * len(samples)),
        "coverage": covered / len(reference),
    }


def _squared_radii(points: NDArray[np.generic], k: int) -> Floats:
    """The squared distance [N] to each point's k-th nearest other one (the nearest of all is the point itself)."""
    nearest = np.empty(len(points))
    for first in range(0, len(points), BLOCK):
        distances = squared_distances(points[first : first + BLOCK], points)
        distances.partition(k, axis=1)
        nearest[first : first + BLOCK] = distances[:, k]
    return nearest


@METRICS.register("prdc")
def metric(judged: Judged, settings: Section) -> dict[str, float]:
    """Precision, recall, density and coverage of the first n_prdc features and n_prdc_reference of the reference.

    AT_MOST at most, with n_neighbours for k. The reference's are drawn: a set may be in the order of its classes. The metrics
    are left out where there are no k neighbours.
    """
    fake, known = judged.features[:AT_MOST], judged.truth is not None
    real = judged.reference[:AT_MOST] if known else some(judged.reference, AT_MOST)
    if min(len(fake), len(real)) <= NEIGHBOURS:
        return {}
    return prdc(fake, real) | {"n_prdc": len(fake), "n_prdc_reference": len(real), "n_neighbours": NEIGHBOURS}
