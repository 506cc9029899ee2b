"""Samples that several processes describe together (`models.diffusion.world`): each computes the features of its share.

Where there is one process, all of them are its share, and not a bit changes.
"""

import sys
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from pipeline.data.samples import Array
from pipeline.distance.frechet import BLOCK, Floats, moments, running_sums


def share(samples: Array) -> Array:
    """This process's part of samples [N, ...]; all of them where there are fewer than processes, or one process."""
    world = _world(len(samples))
    if world is None:
        return samples
    first, last = (len(samples) * rank // world.size() for rank in (world.rank(), world.rank() + 1))
    return samples[first:last]


def summed_moments(features: NDArray[np.generic], n: int) -> tuple[Floats, Floats]:
    """Mean [D] and covariance [D, D] of the features of n samples, of which this process has its share, [B, D].

    Counts, means and sums of squares are added up over the processes (Chan, Golub and LeVeque 1983), which is, up to
    rounding, what one process finds; no process holds the features of another.
    """
    if _world(n) is None:
        return moments(features)
    mean, scatter, count = running_sums(features[first : first + BLOCK] for first in range(0, len(features), BLOCK))
    of_all = _added_up(count * mean) / n
    shift = mean - of_all
    return of_all, _added_up(scatter + count * np.outer(shift, shift)) / (n - 1)


def all_features(features: NDArray[np.generic], n: int) -> NDArray[np.generic]:
    """The features [N, D] of n samples, of which this process has its share, [B, D]: for what compares samples one by one."""
    world = _world(n)
    if world is None:
        return features
    import torch

    padded = np.zeros((-(-n // world.size()), features.shape[1]), features.dtype)
    padded[: len(features)] = features
    parts = world.gathered(torch.from_numpy(padded).to(world.device()))
    counts = [n * (rank + 1) // world.size() - n * rank // world.size() for rank in range(world.size())]
    return np.concatenate([part[:count].cpu().numpy() for part, count in zip(parts, counts)])


def is_first() -> bool:
    """Whether this is the process that says what all have found."""
    world = _world()
    return world is None or world.rank() == 0


def _world(n: int | None = None) -> ModuleType | None:
    """The processes that share n samples; None where each describes all, without torch (points need none) there being one."""
    if "torch" not in sys.modules:
        return None
    from models.diffusion import world

    return world if world.size() > 1 and (n is None or n >= world.size()) else None


def _added_up(values: Floats) -> Floats:
    import torch

    from models.diffusion import world

    found: Floats = world.add_up(torch.from_numpy(values).to(world.device())).cpu().numpy()
    return found
