"""The attribute whose share study `control` steers: which samples have it, and their distance from real data with a share."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets import Array, Images, Truth, dataset
from pipeline.files import read_array
from pipeline.layout import Layout
from pipeline.measures.evaluation import FLOOR_DRAWS
from pipeline.measures.features import features, labels, load_classifier
from pipeline.measures.metrics import Floats, frechet, moments
from pipeline.params import Params
from pipeline.seeds import derive

Member = NDArray[np.bool_]


class Attribute:
    """Which samples belong to the group, and how far samples are from real data with a certain share of it.

    For points, a group of the mixture's modes, each sample belonging to the likeliest; for images, a group of the classes, as
    the classifier labels them.
    """

    def __init__(self, params: Params, group: list[int]) -> None:
        self._group = np.array(group)
        source = dataset(params)
        if isinstance(source, Images):
            self._of_images(params, source)
        else:
            self._of_points(source.truth, params.evaluation.n)

    def members(self, samples: Array) -> Member:
        """Which samples belong to the group, [N]."""
        return np.isin(self._label(samples), self._group)

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

        def likeliest(samples: Array) -> Array:
            offsets = samples.astype(np.float64)[:, None] - truth.means
            squares = np.einsum("nki,kij,nkj->nk", offsets, inverse, offsets)
            return (squares + log_det - 2 * np.log(truth.shares)).argmin(axis=1)

        def with_shares(share: float) -> Truth:
            scale = np.where(inside, share / truth.shares[inside].sum(), (1 - share) / truth.shares[~inside].sum())
            return replace(truth, shares=truth.shares * scale)

        def target(share: float) -> tuple[Floats, Floats]:
            there = with_shares(share)
            return there.mean, there.covariance

        self._label: Callable[[Array], Array] = likeliest
        self._describe: Callable[[Array], tuple[Floats, Floats]] = moments
        self._target: Callable[[float], tuple[Floats, Floats]] = target
        self._real: Callable[[float], list[Array]] = lambda share: [
            with_shares(share).draw(derive(0, "floor", index), n) for index in range(FLOOR_DRAWS)
        ]

    def _of_images(self, params: Params, source: Images) -> None:
        layout = Layout(params.experiment)
        model, reference, training = load_classifier(layout.extractor, source), source.reference, source.training
        described = features(model, read_array(layout.reference)).astype(np.float64)
        member = np.isin(reference.labels, self._group)

        def reweighted(share: float) -> tuple[Floats, Floats]:
            weights = np.where(member, share / member.sum(), (1 - share) / (~member).sum())
            mean = weights @ described
            centred = described - mean
            return mean, (centred * weights[:, None]).T @ centred / (1 - (weights**2).sum())

        self._label = lambda images: labels(model, images)
        self._describe = lambda images: moments(features(model, images))
        self._target = reweighted
        self._real = lambda share: [
            with_share(training.images, np.isin(training.labels, self._group), share, len(training.images))
        ]


def with_share(pool: Array, member: Member, share: float, n: int) -> Array:
    """n samples of a pool of which the share belongs to the group, or as many as the pool has in these proportions."""
    inside, outside = np.flatnonzero(member), np.flatnonzero(~member)
    limits = [len(part) / part_share for part, part_share in ((inside, share), (outside, 1 - share)) if part_share > 0]
    size = min(n, *(int(limit) for limit in limits))
    chosen = round(share * size)
    return pool[np.sort(np.concatenate([inside[:chosen], outside[: size - chosen]]))]
