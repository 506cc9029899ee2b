"""The kernel distance of two sets of features (KID), from a random stream of its own."""

import numpy as np
from numpy.typing import NDArray

from pipeline.distance.extractor import SEED
from pipeline.experiment.kinds import METRICS, Section
from pipeline.experiment.seeds import derive
from pipeline.judging.judged import Judged

SUBSETS, SUBSET = 10, 500
"""How many random subsets KID is the mean of, and how many of each kind they have at most."""


def kid(samples: NDArray[np.generic], reference: NDArray[np.generic], seed: int) -> float:
    """The kernel distance of features [N, D] and [M, D]: the mean of `squared_mmd` over SUBSETS random subsets of each.

    KID of Binkowski et al. (arXiv 1801.01401), not multiplied by anything. Subsets are drawn without replacement by
    a generator of the stream `seed`, the same ones whenever the counts are the same; NumPy's global generator is not touched.
    """
    rng = np.random.Generator(np.random.Philox(key=seed))
    n = subset_size(len(samples), len(reference))

    def some(features: NDArray[np.generic]) -> NDArray[np.generic]:
        return features[rng.choice(len(features), n, replace=False)]

    return float(np.mean([squared_mmd(some(samples), some(reference)) for _ in range(SUBSETS)]))


def subset_size(n_samples: int, n_reference: int) -> int:
    """How many of each kind are in one of KID's subsets."""
    return min(n_samples, n_reference, SUBSET)


def squared_mmd(a: NDArray[np.generic], b: NDArray[np.generic]) -> float:
    """The unbiased estimate of the squared maximum mean discrepancy of a [N, D] and b [M, D], N and M at least 2.

    With the kernel k(x, y) = (x.y / D + 1)^3 (of the same paper); below 0 by chance where the two are alike.
    """
    x, y = a.astype(np.float64), b.astype(np.float64)
    within = [(_kernel_sum(part, part) - _diagonal_sum(part)) / (len(part) * (len(part) - 1)) for part in (x, y)]
    return sum(within) - 2 * _kernel_sum(x, y) / (len(x) * len(y))


def _kernel_sum(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    roots = a @ b.T / a.shape[1] + 1
    return float(np.vdot(roots * roots, roots))


def _diagonal_sum(a: NDArray[np.float64]) -> float:
    return float(((np.einsum("nd,nd->n", a, a) / a.shape[1] + 1) ** 3).sum())


@METRICS.register("kid")
def metric(judged: Judged, settings: Section) -> dict[str, float]:
    """kid, over n_kid_subsets subsets of n_kid features of each."""
    return {
        "kid": kid(judged.features, judged.reference, derive(SEED, "kid")),
        "n_kid": subset_size(len(judged.features), len(judged.reference)),
        "n_kid_subsets": SUBSETS,
    }
