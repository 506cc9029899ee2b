"""Extractors: what gives the features that samples are compared in. Values of different extractors are never compared."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.data.finite import Finite
from pipeline.data.samples import Array, Labelled, Labels
from pipeline.data.stored import REFERENCE, facts, stored
from pipeline.data.truth import Points
from pipeline.distance.frechet import Floats, frechet, moments
from pipeline.distance.shares import share, summed_moments
from pipeline.experiment.errors import BadInput
from pipeline.experiment.kinds import EXTRACTORS
from pipeline.experiment.machine import judging_device
from pipeline.experiment.params import Params
from pipeline.experiment.sections import kind_of
from pipeline.experiment.seeds import derive

SEED = 0
"""What samples are judged by belongs to the data, not to an experiment's seeds: every chain is judged by the same draws."""


class Extractor:
    """The base of all extractors.

    Attributes:
        files: the names of the files that `fit` writes, once for an experiment; none where there is nothing to fit.
        device: gives the torch device to compute on.
        compares_with_training: whether FID compares with what models are trained on, as EDM's does.
        own_space: whether the features are the samples' own numbers, so that a known truth is compared with exactly.
    """

    files: ClassVar[tuple[str, ...]] = ()
    own_space: ClassVar[bool] = False
    compares_with_training: bool = False
    device: Callable[[], Any]

    def __init__(self, settings: Any, source: Points | Finite) -> None:
        self.settings, self.source = settings, source

    def fit(self, folder: Path) -> None:
        """Write the files into the folder: a function of settings, data and code alone."""

    def load(self, folder: Path) -> None:
        """Read them."""

    def features(self, samples: Array) -> NDArray[np.generic]:
        """Features [N, D] of samples [N, ...]."""
        raise NotImplementedError(f"{type(self).__name__} has no features")

    def moments(self, samples: Array) -> tuple[Floats, Floats]:
        """Mean [D] and covariance [D, D] of the features of samples [N, ...], which several processes share."""
        return summed_moments(self.features(share(samples)), len(samples))

    def classes(self, features: NDArray[np.generic]) -> NDArray[np.int64] | None:
        """The likeliest class [N] of features [N, D]; None where it knows none."""
        return None

    def real_features(self, reference: Labelled) -> NDArray[np.generic]:
        """Features [M, D] of the real samples to report by, where they are not kept in a file."""
        return self.features(reference.values)

    def real_labels(self, reference: Labelled) -> Labels | None:
        """The classes [M] of the same samples, where they have any."""
        return reference.labels

    def target(self) -> "Target | None":
        """Moments of its own that FID compares with; None for those of the real samples to report by."""
        return None

    def digest(self, folder: Path) -> str:
        """A hash of what makes its features differ from another's of the same kind: of its files; empty where it has none."""
        content = b"".join((folder / name).read_bytes() for name in self.files)
        return hashlib.sha256(content).hexdigest()[:12] if content else ""

    def facts(self) -> dict[str, float]:
        """What else there is to say of it."""
        return {}


class Target(NamedTuple):
    """What samples are compared with: moments, of how many real samples, and which, as values carry it.

    The number is None for a known truth, and 0 where a file of statistics does not say it.
    """

    mean: Floats
    covariance: Floats
    n: int | None
    name: str


class Reference:
    """What samples are compared with: an experiment's extractor, and real samples.

    Attributes:
        source: the data set.
        extractor: the extractor, ready to be used.
        name: that values carry: the extractor's kind, and a hash of its files or weights where it has any.
    """

    def __init__(self, params: Params, folder: Path) -> None:
        self.source = stored(params)
        self.extractor = made(params, self.source)
        self.extractor.load(folder)
        kind = kind_of(params.evaluation.extractor)
        self.name = f"{kind}-{self.extractor.digest(folder)}".removesuffix("-")
        self._digest = "" if params.data.has_truth else str(facts(params)[REFERENCE]["sha256"])

    def real(self, n: int) -> NDArray[np.generic]:
        """Features of the real samples that a finite set has to report by, or of n draws of a known truth, always the same."""
        if isinstance(self.source, Points):
            return self.extractor.features(self.source.truth.draw(derive(SEED, "reference"), n))
        return self.extractor.real_features(self.source.reference)

    def real_labels(self) -> Labels | None:
        """The classes of the real samples of a finite set that `real` gives the features of, where they have any."""
        return self.extractor.real_labels(self.source.reference) if isinstance(self.source, Finite) else None

    def target(self, features: NDArray[np.generic]) -> Target:
        """What FID compares with: the truth, where it is known in this space, the extractor's own, or real features [M, D]."""
        if isinstance(self.source, Points) and self.extractor.own_space:
            return Target(self.source.truth.mean, self.source.truth.covariance, None, "truth")
        own = self.extractor.target()
        return own or Target(*moments(features), len(features), f"reference-{self._digest[:12]}".removesuffix("-"))

    def fid(self, samples: Array) -> float:
        """The Fréchet distance of samples [N, ...]."""
        target = self.extractor.target() or self.target(self.real(len(samples)))
        return frechet(*self.extractor.moments(samples), target.mean, target.covariance)


def made(params: Params, source: Points | Finite) -> Extractor:
    """The extractor that params.yaml names. Raises BadInput for one of the user's own that is none."""
    settings = params.evaluation.extractor
    extractor = EXTRACTORS[kind_of(settings)](settings, source)
    if not isinstance(extractor, Extractor):
        raise BadInput(f"evaluation.extractor {kind_of(settings)} is {type(extractor).__name__}, which is no Extractor")
    extractor.device = lambda: judging_device(params)
    return extractor
