"""Intervals over seeds: of means, by the bootstrap, and of what fresh seeds will have, which knows of heavy tails."""

from collections.abc import Callable
from functools import cache
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

RESAMPLES = 10_000
LEVEL = 0.95
HEAVY = 1.25
"""By so much Student's interval is widened for tails heavier than a normal's (tests/pipeline/test_intervals.py)."""


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


class Spread(NamedTuple):
    """What several seeds have: means, median, quartiles, and where the median of as many fresh seeds lies, at 95 %."""

    mean: float
    geometric_mean: float
    median: float
    quarter: float
    three_quarters: float
    fresh_low: float
    fresh_high: float


def spread(values: ArrayLike) -> Spread:
    """Of values [seeds], one at least. The geometric mean is NaN where one is not positive, and the interval of one seed."""
    array = np.asarray(values, dtype=np.float64)
    geometric = float(np.exp(np.log(array).mean())) if (array > 0).all() else np.nan
    with np.errstate(invalid="ignore"):  # between infinite values there is none
        quarter, median, three_quarters = (float(each) for each in np.quantile(array, [0.25, 0.5, 0.75]))
    return Spread(float(array.mean()), geometric, median, quarter, three_quarters, *fresh_medians(array))


def columns(name: str, values: ArrayLike) -> dict[str, float]:
    """A table's columns NAME_median, ... of the spread of what is not NaN; all but the mean, which has a column of its own."""
    array = np.asarray(values, dtype=np.float64)
    known = array[~np.isnan(array)]
    found = spread(known) if len(known) else Spread(*[np.nan] * len(Spread._fields))
    return {f"{name}_{key}": value for key, value in found._asdict().items() if key != "mean"}


def fresh_medians(values: ArrayLike) -> tuple[float, float]:
    """Where the median of as many fresh seeds lies, at 95 %: lower and upper end, NaN for one seed.

    From 9 seeds on by ranks alone, whatever the distribution. With fewer, by Student's t around the median, of the logarithms
    where all values are positive (both medians have pi/2 times the variance of a mean), widened, and at least from the least to
    the greatest value.
    """
    array = np.sort(np.asarray(values, dtype=np.float64))
    n = len(array)
    if n < 2 or not np.isfinite(array).all():
        return np.nan, np.nan
    if rank := _rank(n):
        return float(array[rank - 1]), float(array[n - rank])
    positive = bool(array[0] > 0)
    scaled = np.log(array) if positive else array
    half = HEAVY * student.ppf((1 + LEVEL) / 2, n - 1) * scaled.std(ddof=1) * np.sqrt(np.pi / n)
    ends = np.median(scaled) + np.array([-half, half])
    low, high = np.exp(ends) if positive else ends
    return float(min(low, array[0])), float(max(high, array[-1]))


@cache
def _rank(n: int) -> int:
    """The greatest k such that the median of n fresh values lies between the k-th from below and above, at 95 %; 0 for none.

    How many fresh values lie below the k-th of n others follows from counting orders, all of which are equally likely.
    """
    half, orders = (n + 1) // 2, comb(2 * n, n)

    def outside(k: int) -> float:
        return 2 * sum(comb(k - 1 + below, below) * comb(2 * n - k - below, n - below) for below in range(half, n + 1)) / orders

    return max((k for k in range(1, n // 2 + 1) if outside(k) <= 1 - LEVEL), default=0)


def log_slope(curves: NDArray[np.float64]) -> float:
    """The mean over seeds of the least-squares slope of log10 of a curve over its index: curves [seeds, generations]."""
    mean = np.log10(curves).mean(axis=0)  # the slope is linear in it
    return float(np.polyfit(np.arange(len(mean)), mean, 1)[0])
