"""Averages of weights by a power function of training time (Karras et al. 2024, arXiv 2312.02696, section 3, appendix C).

At time t (steps or images seen) weights of time tau <= t count in proportion to tau^gamma. The average's length is told by the
standard deviation of that profile as a share of t, sigma_rel: EDM2 speaks of an "EMA length" of 5 % or 10 %. Plain floats: this
is read where params are checked.
"""

import math
from functools import lru_cache

LONGEST = 1 / math.sqrt(12)
"""sigma_rel of gamma = 0, the plain mean of all weights so far; no longer average forgets how training began."""

KEPT = (0.05, 0.10)
"""The lengths that EDM2 keeps, and makes others of."""


@lru_cache(maxsize=64)
def gamma_of(sigma_rel: float) -> float:
    """The exponent of the average of a length. Raises ValueError unless 0 < sigma_rel <= LONGEST."""
    if not 0 < sigma_rel <= LONGEST:
        raise ValueError(f"sigma_rel {sigma_rel:g} is not allowed: it must be above 0 and at most {LONGEST:.4f}")
    low, high = 0.0, 1 / sigma_rel
    while high - low > 1e-15 * high:  # the length falls with gamma
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if sigma_rel_of(middle) > sigma_rel else (low, middle)
    return (low + high) / 2


def sigma_rel_of(gamma: float) -> float:
    """The length of the average with an exponent: the profile's standard deviation at t = 1."""
    return math.sqrt((gamma + 1) / (gamma + 3)) / (gamma + 2)


def power_decay(gamma: float, steps: int) -> float:
    """What remains of the average as step number `steps`, from 1, is taken in; the first step's weights replace it."""
    return (1 - 1 / steps) ** (gamma + 1)


def overlap(t: float, gamma: float, t_other: float, gamma_other: float) -> float:
    """The inner product of two profiles, each of integral 1, scaled so that a profile's with itself is 1."""
    ratio, mine = (t_other / t, gamma_other) if t_other < t else (t / t_other, gamma)  # mine: the one that ends first
    other = gamma + gamma_other - mine
    return ratio ** (other + 0.5) * math.sqrt((2 * mine + 1) * (2 * other + 1)) / (gamma + gamma_other + 1)


def norm(t: float, gamma: float) -> float:
    """The root of a profile's inner product with itself."""
    return (gamma + 1) / math.sqrt((2 * gamma + 1) * t)


def is_due(step: int, batch: int, steps: int, every: int) -> bool:
    """Whether averages are kept after a step, counted from 0: when `every` more images have been seen, and after the last."""
    return step + 1 == steps or (step + 1) * batch // every > step * batch // every


def due(batch: int, steps: int, every: int) -> list[int]:
    """The images seen at all such times."""
    first = {-(-images // batch) for images in range(every, batch * steps + 1, every)}
    return [batch * count for count in sorted(first | {steps})]
