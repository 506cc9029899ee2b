"""The loops: how the training set D_t of generation t >= 2 is made (generation 1 trains on real data alone).

Adding one: write a function of `Sources`, name it in `LOOPS`; arms of params.yaml select it by `loop`. A `Pool` is indexed and
joined without a copy of its samples, and keeps their labels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.data.samples import Pool, joined
from pipeline.experiment.kinds import LOOPS


@dataclass(frozen=True)
class Sources:
    """What a training set may be made of.

    Attributes:
        real: the chain's fixed real set [N, ...].
        history: samples [M_i, ...] of the generations that the loop remembers, oldest first, t-1 last.
        fresh: draws a new real set of N points, this generation's own; only where the truth is known.
        rng: this generation's own generator, for subsets.
        share: the arm's `synthetic_share`.
    """

    real: Pool
    history: list[Pool]
    fresh: Callable[[], Pool]
    rng: np.random.Generator
    share: float | None


@dataclass(frozen=True)
class Loop:
    """A rule for D_t; how many generations it remembers when the arm says nothing (None: all); what else it needs."""

    mix: Callable[[Sources], Pool]
    memory: int | None = 1
    share: bool = False
    fresh: bool = False


def augmentation(sources: Sources) -> Pool:
    """The fixed real set and remembered samples (MAD's synthetic augmentation loop, arXiv 2307.01850; SIMS's setting)."""
    return joined([sources.real, *sources.history])


def synthetic(sources: Sources) -> Pool:
    """Remembered samples alone (MAD's fully synthetic loop)."""
    return joined(sources.history)


def fresh(sources: Sources) -> Pool:
    """New real samples in every generation, and remembered samples (MAD's fresh data loop)."""
    return joined([sources.fresh(), *sources.history])


def subsample(sources: Sources) -> Pool:
    """As many as the real set has, drawn without replacement from real and all earlier samples (arXiv 2410.16713)."""
    pool = augmentation(sources)
    return pool[sources.rng.choice(len(pool), len(sources.real), replace=False)]


def constant_share(sources: Sources) -> Pool:
    """As many as the real set has, of which the share `synthetic_share` are remembered samples and the rest real ones."""
    assert sources.share is not None
    pool, size = synthetic(sources), len(sources.real)
    count = round(sources.share * size)
    kept = sources.rng.choice(size, size - count, replace=False)
    return joined([sources.real[kept], pool[sources.rng.choice(len(pool), count, replace=False)]])


def accumulate(sources: Sources) -> Pool:
    """The fixed real set and the samples of all earlier generations (Gerstgrasser et al., arXiv 2404.01413)."""
    return augmentation(sources)


def real_only(sources: Sources) -> Pool:
    """The real set alone: the control, whose generations differ in nothing but their random numbers."""
    return sources.real


LOOPS["augmentation"] = Loop(augmentation)
LOOPS["synthetic"] = Loop(synthetic)
LOOPS["fresh"] = Loop(fresh, fresh=True)
LOOPS["accumulate"] = Loop(accumulate, memory=None)
LOOPS["accumulate-subsample"] = Loop(subsample, memory=None)
LOOPS["constant-share"] = Loop(constant_share, share=True)
LOOPS["real"] = Loop(real_only)
