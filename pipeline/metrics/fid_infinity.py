"""FID, extrapolated to infinitely many samples; usual with `evaluation.fid_infinity`."""

import numpy as np

from pipeline.data.samples import Array
from pipeline.distance.frechet import Floats, frechet, moments
from pipeline.experiment.kinds import METRICS, Section
from pipeline.judging.judged import Judged

INFINITY_PARTS = 5


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


@METRICS.register("fid-infinity")
def metric(judged: Judged, settings: Section) -> dict[str, float]:
    """fid_infinity, from parts of n_infinity and more."""
    return fid_infinity(judged.features, *judged.target)
