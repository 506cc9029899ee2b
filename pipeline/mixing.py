"""The loops: how the training set D_t of generation t >= 2 is made (generation 1 trains on real data alone).

A loop is a function (real [N, ...], previous [M, ...]) -> D_t, where `previous` are generation t-1's samples.
Adding one: write it, name it in `LOOPS`; arms of params.yaml select it by `loop`.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]
Loop = Callable[[Array, Array], Array]


def augmentation(real: Array, previous: Array) -> Array:
    """The fixed real set and the samples of generation t-1 (MAD's synthetic augmentation loop; SIMS's setting)."""
    return np.concatenate([real, previous])


def synthetic(real: Array, previous: Array) -> Array:
    """The samples of generation t-1 alone (MAD's fully synthetic loop)."""
    return previous


def real_only(real: Array, previous: Array) -> Array:
    """The real set alone: the control, whose generations differ in nothing but their random numbers."""
    return real


LOOPS: dict[str, Loop] = {"augmentation": augmentation, "synthetic": synthetic, "real": real_only}
