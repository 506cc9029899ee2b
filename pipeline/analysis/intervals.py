"""Intervals over seeds, by the bootstrap: with few seeds they are rough, and said beside their number."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 10_000
LEVEL = 0.95


class Interval(NamedTuple):
    """A value and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def bootstrap(values: ArrayLike, statistic: Callable[[NDArray[np.float64]], float] | None = None) -> Interval:
    """The statistic (the mean, when not given) of values [seeds, ...], and its percentile interval over resampled seeds.

    The resampling has a fixed seed of its own. With one seed the interval is the value.
    """
    array = np.asarray(values, dtype=np.float64)
    rng = np.random.Generator(np.random.Philox(key=0))
    picks = rng.integers(len(array), size=(RESAMPLES, len(array)))
    if statistic is None:
        resampled, value = array[picks].mean(axis=1), float(array.mean())
    else:
        resampled, value = np.array([statistic(array[pick]) for pick in picks[: RESAMPLES // 10]]), statistic(array)
    if np.isnan(resampled).all():
        return Interval(value, np.nan, np.nan)
    with np.errstate(invalid="ignore"):  # between infinite values there is none
        low, high = np.nanquantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high))


def log_slope(curves: NDArray[np.float64]) -> float:
    """The mean over seeds of the least-squares slope of log10 of a curve over its index: curves [seeds, generations]."""
    mean = np.log10(curves).mean(axis=0)  # the slope is linear in it
    return float(np.polyfit(np.arange(len(mean)), mean, 1)[0])
