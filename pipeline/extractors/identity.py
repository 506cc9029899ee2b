"""No features but the samples' own numbers: for points, whose truth is known exactly."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.data.samples import Array
from pipeline.distance.extractor import Extractor
from pipeline.experiment.kinds import EXTRACTORS
from pipeline.experiment.sections import ExtractorSettings


class Settings(ExtractorSettings):
    """It has none."""

    least_to_extrapolate: ClassVar[int] = 100


@EXTRACTORS.register("identity", Settings)
class Identity(Extractor):
    """Samples [N, ...] as vectors [N, D]."""

    own_space: ClassVar[bool] = True

    def features(self, samples: Array) -> NDArray[np.generic]:
        """[N, ...] -> [N, D]."""
        return samples.reshape(len(samples), -1)
