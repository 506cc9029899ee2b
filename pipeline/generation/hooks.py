"""What may be done to a generation's samples before they are judged and handed on: filters and correctors.

Adding one: write a function of (candidates, `Context`), name it in `HOOKS`; an arm of params.yaml selects it by `hook`.
A filter gets more candidates than it gives back: params.yaml's `share` is what it keeps.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.data.samples import Array, Labelled, Labels
from pipeline.experiment.kinds import HOOKS

BLOCK = 500
Part = slice | NDArray[np.int64]


@dataclass(frozen=True)
class Context:
    """What a hook knows.

    Attributes:
        real: the chain's real training set [N, ...].
        n: how many samples it must give back, of the candidates' kind and shape.
        strength: from params.yaml, 0 to 1.
        rng: this generation's own generator.
        labels: the candidates' classes [M], where they are drawn of classes.
        real_labels: those of the real training set [N], then.
    """

    real: Array
    n: int
    strength: float
    rng: np.random.Generator
    labels: Labels | None = None
    real_labels: Labels | None = None


Hook = Callable[[Array, Context], Array | Labelled]
"""As many samples as there were candidates keep their labels; a filter gives `Labelled` ones where there are any."""


@HOOKS.register("keep-typical")
def keep_typical(candidates: Array, context: Context) -> Labelled:
    """A filter: the n candidates nearest to the real mean, in units of the real covariance (cherry-picking; truncation)."""
    real = context.real.reshape(len(context.real), -1).astype(np.float64)
    offsets = candidates.reshape(len(candidates), -1).astype(np.float64) - real.mean(axis=0)
    covariance = np.atleast_2d(np.cov(real, rowvar=False))
    ridge = 1e-3 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))  # digits have pixels that never vary
    scores = np.einsum("ni,ij,nj->n", offsets, np.linalg.inv(covariance + ridge), offsets)
    return Labelled(candidates, context.labels)[np.sort(np.argsort(scores, kind="stable")[: context.n])]


@HOOKS.register("towards-real")
def towards_real(candidates: Array, context: Context) -> Labelled:
    """A corrector: each sample is moved towards its nearest real one, all the way at strength 1 (as in arXiv 2402.07087).

    With labels, towards the nearest of its own class.
    """
    given = Labelled(candidates, context.labels)[: context.n]  # with a share, the others are as good
    moved = np.empty(given.values.shape, given.values.dtype)
    for of_class, reals in _by_class(given.labels, context):
        moved[of_class] = _moved(given.values[of_class], context.real[reals], context.strength)
    return Labelled(moved, given.labels)


def _by_class(labels: Labels | None, context: Context) -> Iterator[tuple[Part, Part]]:
    """Which samples, and which real ones they are moved towards."""
    if labels is None or context.real_labels is None:
        yield slice(None), slice(None)
        return
    for label in np.unique(labels):
        yield np.flatnonzero(labels == label), np.flatnonzero(context.real_labels == label)


def _moved(candidates: Array, real: Array, strength: float) -> Array:
    targets = real.reshape(len(real), -1).astype(np.float64)
    flat = candidates.reshape(len(candidates), -1).astype(np.float64)
    squares = (targets**2).sum(axis=1)
    nearest = np.concatenate(
        [(squares - 2 * block @ targets.T).argmin(axis=1) for block in np.split(flat, range(BLOCK, len(flat), BLOCK))]
    )
    moved = (1 - strength) * flat + strength * targets[nearest]
    moved = np.rint(moved) if candidates.dtype == np.uint8 else moved
    return moved.reshape(candidates.shape).astype(candidates.dtype)
