"""What may be done to a generation's samples before they are judged and handed on: filters and correctors.

Adding one: write a function of (candidates, `Context`), name it in `HOOKS`; an arm of params.yaml selects it by `hook`.
A filter gets more candidates than it gives back: params.yaml's `share` is what it keeps.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.data.samples import Array
from pipeline.experiment.kinds import HOOKS

BLOCK = 500


@dataclass(frozen=True)
class Context:
    """What a hook knows.

    Attributes:
        real: the chain's real training set [N, ...].
        n: how many samples it must give back, of the candidates' kind and shape.
        strength: from params.yaml, 0 to 1.
        rng: this generation's own generator.
    """

    real: Array
    n: int
    strength: float
    rng: np.random.Generator


Hook = Callable[[Array, Context], Array]


@HOOKS.register("keep-typical")
def keep_typical(candidates: Array, context: Context) -> Array:
    """A filter: the n candidates nearest to the real mean, in units of the real covariance (cherry-picking; truncation)."""
    real = context.real.reshape(len(context.real), -1).astype(np.float64)
    offsets = candidates.reshape(len(candidates), -1).astype(np.float64) - real.mean(axis=0)
    covariance = np.atleast_2d(np.cov(real, rowvar=False))
    ridge = 1e-3 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))  # digits have pixels that never vary
    scores = np.einsum("ni,ij,nj->n", offsets, np.linalg.inv(covariance + ridge), offsets)
    return candidates[np.sort(np.argsort(scores, kind="stable")[: context.n])]


@HOOKS.register("towards-real")
def towards_real(candidates: Array, context: Context) -> Array:
    """A corrector: each sample is moved towards its nearest real one, all the way at strength 1 (as in arXiv 2402.07087)."""
    candidates = candidates[: context.n]  # with a share, the others are as good
    real = context.real.reshape(len(context.real), -1).astype(np.float64)
    flat = candidates.reshape(len(candidates), -1).astype(np.float64)
    squares = (real**2).sum(axis=1)
    nearest = np.concatenate(
        [(squares - 2 * block @ real.T).argmin(axis=1) for block in np.split(flat, range(BLOCK, len(flat), BLOCK))]
    )
    moved = (1 - context.strength) * flat + context.strength * real[nearest]
    moved = np.rint(moved) if candidates.dtype == np.uint8 else moved
    return moved.reshape(candidates.shape).astype(candidates.dtype)
