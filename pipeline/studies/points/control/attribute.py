"""The attribute whose share study `control` steers: which samples have it, and their distance from real data with a share.

Samples are told apart by parts: the group and the rest, or every class (or mode) by itself.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.data.finite import Finite
from pipeline.data.samples import Array
from pipeline.data.stored import stored
from pipeline.data.truth import Truth
from pipeline.distance.extractor import Reference
from pipeline.distance.frechet import Floats, frechet, moments
from pipeline.experiment.params import Params
from pipeline.experiment.seeds import derive
from pipeline.judging.evaluation import FLOOR_DRAWS
from pipeline.storage.layout import Layout

Labels = NDArray[np.int64]
By = Literal["group", "classes"]


class Attribute:
    """Which samples belong to the group, and how far samples are from real data with a certain share of it.

    For points, a group of the mixture's modes, each sample belonging to the likeliest; for images, a group of the classes, as
    the classifier labels them. `by` says what the parts are: the group and the rest, or every class, the group's first.
    """

    def __init__(self, params: Params, group: list[int], by: By = "group") -> None:
        self._group, self._by = np.array(group), by
        source = stored(params)
        if isinstance(source, Finite):
            self._of_images(params, source)
        else:
            self._of_points(source.truth, params.evaluation.n)

    @property
    def n_group(self) -> int:
        """How many of the parts are the group's: the first ones."""
        return 1 if self._by == "group" else len(self._group)

    def parts(self, samples: Array) -> Labels:
        """The part that each sample belongs to, [N]."""
        return self._part_of[self._label(samples)]

    def shares(self, samples: Array) -> Floats:
        """The shares of the parts among samples, [P]."""
        return np.bincount(self.parts(samples), minlength=int(self._part_of.max()) + 1) / len(samples)

    def share(self, samples: Array) -> float:
        """The group's share among samples."""
        return float(np.isin(self._label(samples), self._group).mean())

    def wanted(self, share: float) -> Floats:
        """The shares of the parts in real data in which the group has the share, [P]."""
        inside = np.isin(np.arange(len(self._class_shares)), self._group)
        scale = np.where(inside, share / self._class_shares[inside].sum(), (1 - share) / self._class_shares[~inside].sum())
        return np.bincount(self._part_of, self._class_shares * scale).astype(np.float64)

    def distance(self, samples: Array, share: float) -> float:
        """FID of samples against real data in which the group has the share."""
        return frechet(*self._describe(samples), *self._target(share))

    def floor(self, share: float) -> tuple[float, int]:
        """The same of real samples in which the group has the share, and their number."""
        drawn = self._real(share)
        return float(np.mean([self.distance(real, share) for real in drawn])), len(drawn[0])

    def _of_points(self, truth: Truth, n: int) -> None:
        inverse, log_det = np.linalg.inv(truth.covariances), np.linalg.slogdet(truth.covariances)[1]
        inside = np.isin(np.arange(len(truth.shares)), self._group)

        def likeliest(samples: Array) -> Labels:
            offsets = samples.astype(np.float64)[:, None] - truth.means
            squares = np.einsum("nki,kij,nkj->nk", offsets, inverse, offsets)
            return (squares + log_det - 2 * np.log(truth.shares)).argmin(axis=1)

        def with_shares(share: float) -> Truth:
            scale = np.where(inside, share / truth.shares[inside].sum(), (1 - share) / truth.shares[~inside].sum())
            return replace(truth, shares=truth.shares * scale)

        def target(share: float) -> tuple[Floats, Floats]:
            there = with_shares(share)
            return there.mean, there.covariance

        self._take_parts(truth.shares)
        self._label: Callable[[Array], Labels] = likeliest
        self._describe: Callable[[Array], tuple[Floats, Floats]] = moments
        self._target: Callable[[float], tuple[Floats, Floats]] = target
        self._real: Callable[[float], list[Array]] = lambda share: [
            with_shares(share).draw(derive(0, "floor", index), n) for index in range(FLOOR_DRAWS)
        ]

    def _of_images(self, params: Params, source: Finite) -> None:
        extractor = Reference(params, Layout(params.experiment).extractor).extractor
        reference, training, features = source.reference, source.training, extractor.features
        described = features(reference.values).astype(np.float64)
        member = np.isin(reference.classes, self._group)

        def labels(images: Array) -> Labels:
            seen = extractor.classes(features(images))
            assert seen is not None
            return seen

        def reweighted(share: float) -> tuple[Floats, Floats]:
            weights = np.where(member, share / member.sum(), (1 - share) / (~member).sum())
            mean = weights @ described
            centred = described - mean
            return mean, (centred * weights[:, None]).T @ centred / (1 - (weights**2).sum())

        self._take_parts(np.bincount(training.classes) / len(training.classes))
        self._label = labels
        self._describe = lambda images: moments(features(images))
        self._target = reweighted
        parts = np.where(np.isin(training.classes, self._group), 0, 1)
        self._real = lambda share: [with_shares(training.values, parts, np.array([share, 1 - share]), len(training.values))]

    def _take_parts(self, class_shares: Floats) -> None:
        """Note the real classes' shares, and the part that each class belongs to."""
        self._class_shares = class_shares
        inside = np.isin(np.arange(len(class_shares)), self._group)
        self._part_of: Labels = np.where(inside, 0, 1)
        if self._by == "classes":
            self._part_of = np.argsort(np.argsort(~inside, kind="stable"))


def with_shares(pool: Array, parts: Labels, shares: Floats, n: int) -> Array:
    """n samples of a pool in which the parts have the shares [P], or as many as the pool has in these proportions."""
    places = [np.flatnonzero(parts == part) for part in range(len(shares))]
    limits = [len(place) / share for place, share in zip(places, shares) if share > 0]
    size = min(n, *(int(limit) for limit in limits))
    counts = np.diff(np.round(np.cumsum([0.0, *shares]) * size).astype(int))
    return pool[np.sort(np.concatenate([place[:count] for place, count in zip(places, counts)]))]
