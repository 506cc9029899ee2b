"""How near samples come to the training set."""

import numpy as np
from numpy.typing import NDArray

from pipeline.data.samples import Array
from pipeline.distance.neighbours import squared_distances
from pipeline.experiment.kinds import METRICS, Section
from pipeline.judging.judged import Judged

BLOCK = 4096
"""Training points at once."""
AT_MOST = 1000
"""Distances of all pairs grow with the square of the count, so that the first samples only are looked at."""


def nearest_distance(samples: NDArray[np.generic], training: NDArray[np.generic]) -> float:
    """The mean Euclidean distance from samples [N, D] to the nearest training point [M, D] of each, in the units given.

    The usual sign of memorisation (e.g. arXiv 2301.13188): it tends to 0 as samples become copies. Exactly 0 for copies of
    integer vectors, whose squares are exact.
    """
    blocks = range(0, len(training), BLOCK)
    nearest = np.min([squared_distances(samples, training[first : first + BLOCK]).min(axis=1) for first in blocks], axis=0)
    return float(np.sqrt(nearest).mean())


def memorisation(images: Array, training: Array) -> dict[str, float]:
    """The mean distance of the first n_nearest uint8 images [N, ...] to the nearest training image of each.

    At most AT_MOST are looked at. Euclidean, over all pixels, with pixels scaled to [0, 1]. Its floor is the same for
    real images that were not trained on.
    """
    some = images[:AT_MOST]
    distance = nearest_distance(some.reshape(len(some), -1), training.reshape(len(training), -1))
    return {"nearest_training_distance": distance / 255, "n_nearest": len(some)}


@METRICS.register("memorisation")
def metric(judged: Judged, settings: Section) -> dict[str, float]:
    """nearest_training_distance, of images alone."""
    if judged.training is None or judged.samples.dtype != np.uint8:
        return {}
    return memorisation(judged.samples, judged.training)
