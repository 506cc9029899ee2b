"""What metrics know of the samples that they judge."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.data.samples import Array
from pipeline.data.truth import Truth
from pipeline.distance.extractor import Target
from pipeline.distance.frechet import Floats


@dataclass(frozen=True)
class Judged:
    """Samples, and what they are compared with.

    Attributes:
        samples: as they were made, [N, ...].
        features: of the samples, [N, D].
        reference: features [M, D] of real samples that nothing is trained on; of a known truth, as many as there are samples.
        target: mean [D] and covariance [D, D] to compare with: the truth's where it is known, else the reference's.
        compared: the same, with the count and the name of what is compared with.
        truth: the distribution of points, where it is known.
        training: the real training set [K, ...] of a finite data set.
        classes: the class [N] that the extractor sees in each sample, where it knows any.
        labels: the class [N] that each sample was drawn of, if any.
        reference_labels: the classes [M] of the real samples that `reference` has the features of, where they have any.
        n_classes: how many classes the data set has.
        moments: mean [D] and covariance [D, D] of all features, where they are known: as several processes have summed them.
    """

    samples: Array
    features: NDArray[np.generic]
    reference: NDArray[np.generic]
    target: tuple[Floats, Floats]
    truth: Truth | None
    training: Array | None
    classes: NDArray[np.int64] | None
    labels: NDArray[np.int64] | None = None
    reference_labels: NDArray[np.int64] | None = None
    n_classes: int = 0
    compared: Target | None = None
    moments: tuple[Floats, Floats] | None = None
