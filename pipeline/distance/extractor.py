"""Extractors: what gives the features that samples are compared in. Values of different extractors are never compared."""

import hashlib
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.data.finite import Finite
from pipeline.data.samples import Array
from pipeline.data.stored import stored
from pipeline.data.truth import Points
from pipeline.distance.frechet import Floats, frechet, moments
from pipeline.experiment.errors import BadInput
from pipeline.experiment.kinds import EXTRACTORS
from pipeline.experiment.params import Params
from pipeline.experiment.sections import kind_of
from pipeline.experiment.seeds import derive

SEED = 0
"""What samples are judged by belongs to the data, not to an experiment's seeds: every chain is judged by the same draws."""


class Extractor:
    """The base of all extractors.

    Attributes:
        files: the names of the files that `fit` writes, once for an experiment; none where there is nothing to fit.
        own_space: whether the features are the samples' own numbers, so that a known truth is compared with exactly.
    """

    files: ClassVar[tuple[str, ...]] = ()
    own_space: ClassVar[bool] = False

    def __init__(self, settings: Any, source: Points | Finite) -> None:
        self.settings, self.source = settings, source

    def fit(self, folder: Path) -> None:
        """Write the files into the folder: a function of settings, data and code alone."""

    def load(self, folder: Path) -> None:
        """Read them."""

    def features(self, samples: Array) -> NDArray[np.generic]:
        """Features [N, D] of samples [N, ...]."""
        raise NotImplementedError(f"{type(self).__name__} has no features")

    def classes(self, features: NDArray[np.generic]) -> NDArray[np.int64] | None:
        """The likeliest class [N] of features [N, D]; None where it knows none."""
        return None

    def facts(self) -> dict[str, float]:
        """What else there is to say of it."""
        return {}


class Reference:
    """What samples are compared with: an experiment's extractor, and real samples that nothing is trained on.

    Attributes:
        source: the data set.
        extractor: the extractor, ready to be used.
        name: that values carry: the extractor's kind, and a hash of its files where it has any.
    """

    def __init__(self, params: Params, folder: Path) -> None:
        self.source = stored(params)
        self.extractor = made(params, self.source)
        self.extractor.load(folder)
        content = b"".join((folder / name).read_bytes() for name in self.extractor.files)
        kind = kind_of(params.evaluation.extractor)
        self.name = f"{kind}-{hashlib.sha256(content).hexdigest()[:12]}" if content else kind

    def real(self, n: int) -> Array:
        """The real samples [M, ...]: all that a finite set has to report by, or n draws of a known truth, always the same."""
        if isinstance(self.source, Points):
            return self.source.truth.draw(derive(SEED, "reference"), n)
        return self.source.reference.values

    def moments(self, features: NDArray[np.generic]) -> tuple[Floats, Floats]:
        """Mean and covariance of the truth where it is known in this space, else those of real features [M, D]."""
        if isinstance(self.source, Points) and self.extractor.own_space:
            return self.source.truth.mean, self.source.truth.covariance
        return moments(features)

    def fid(self, samples: Array) -> float:
        """The Fréchet distance of samples [N, ...]."""
        real = self.extractor.features(self.real(len(samples)))
        return frechet(*moments(self.extractor.features(samples)), *self.moments(real))


def made(params: Params, source: Points | Finite) -> Extractor:
    """The extractor that params.yaml names. Raises BadInput for one of the user's own that is none."""
    settings = params.evaluation.extractor
    extractor = EXTRACTORS[kind_of(settings)](settings, source)
    if not isinstance(extractor, Extractor):
        raise BadInput(f"evaluation.extractor {kind_of(settings)} is {type(extractor).__name__}, which is no Extractor")
    return extractor
