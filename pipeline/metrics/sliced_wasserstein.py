"""The sliced Wasserstein distance of two sets of points."""

import numpy as np
from numpy.typing import NDArray

from pipeline.distance.extractor import SEED
from pipeline.experiment.kinds import METRICS, Section
from pipeline.experiment.seeds import derive
from pipeline.judging.judged import Judged

DIRECTIONS = 32


def sliced_wasserstein(samples: NDArray[np.generic], reference: NDArray[np.generic], seed: int) -> float:
    """The sliced Wasserstein-2 distance of as many points [N, D] as reference points [N, D], in their units (not squared).

    The root of the mean, over DIRECTIONS uniform directions of the stream `seed`, of the squared Wasserstein-2 distance of the
    projections, which in one dimension pairs them in their order (Bonneel et al. 2015, "Sliced and Radon Wasserstein
    barycenters of measures"). Between N(0, s^2 I) and N(0, t^2 I) it is |s - t|. Raises ValueError where the
    counts differ.
    """
    if len(samples) != len(reference):
        raise ValueError(f"{len(samples)} samples cannot be paired with {len(reference)} reference points")
    directions = np.random.Generator(np.random.Philox(key=seed)).standard_normal((DIRECTIONS, samples.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    ordered = [np.sort(directions @ points.astype(np.float64).T, axis=1) for points in (samples, reference)]
    return float(np.sqrt(np.square(ordered[0] - ordered[1]).mean()))


@METRICS.register("sliced-wasserstein")
def metric(judged: Judged, settings: Section) -> dict[str, float]:
    """sliced_wasserstein over n_directions, of points with a known truth: against as many of it as there are samples."""
    if judged.truth is None:
        return {}
    reference = judged.truth.draw(derive(SEED, "reference"), len(judged.samples))
    distance = sliced_wasserstein(judged.samples, reference, derive(SEED, "directions"))
    return {"sliced_wasserstein": distance, "n_directions": DIRECTIONS}
