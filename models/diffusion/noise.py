"""Which noise levels a training sees: ln sigma ~ N(p_mean, p_std^2) (EDM Table 1), and which of them fit the data."""

import math
from typing import NamedTuple

EDM_SIGMA_DATA, EDM_P_MEAN, EDM_P_STD = 0.5, -1.2, 1.2
"""EDM's own (Table 1): for images in [-1, 1]."""
SELDOM = 1e-3
"""A share of the draws that counts as hardly any."""
DROWNED = 0.1
"""The data's standard deviation, as a share of the noise's, below which they hardly count."""
LARGEST = 40.0
"""Of |ln sigma|: beyond e^40 and e^-40 float32 has no squares."""
RARELY = 6.0
"""No training draws noise levels that are more standard deviations away from their mean."""


class TrainingNoise(NamedTuple):
    """The data's standard deviation, a coordinate, and the distribution of ln sigma in training."""

    sigma_data: float
    p_mean: float
    p_std: float

    @property
    def fits_float32(self) -> bool:
        """Whether float32, in which training computes, has the squares of all levels that it may draw."""
        return abs(self.p_mean) + RARELY * self.p_std <= LARGEST

    def share_above(self, sigma: float) -> float:
        """The share of training's draws that are above a noise level."""
        return 0.5 * math.erfc((math.log(sigma) - self.p_mean) / (self.p_std * math.sqrt(2)))

    def is_too_low_for(self, sigma_max: float) -> bool:
        """Whether sampling begins far above what training sees, at levels where the data still count.

        That is: hardly any draws are above half of sigma_max, nor above the level where the data's standard deviation is a
        tenth of the noise's. What a network makes of such levels is a guess, and a loop amplifies it without bound (study
        `mechanisms`); EDM's levels for EDM's images pass.
        """
        counts_up_to = min(sigma_max / 2, self.sigma_data / DROWNED)
        return self.share_above(counts_up_to) < SELDOM


def fitting(sigma_data: float, p_mean: float | None = None, p_std: float | None = None) -> TrainingNoise:
    """The levels for data of a standard deviation: EDM's, scaled as the data are, where they are not given.

    EDM's are for 0.5. Data and noise that are both c times as large are the same problem in other units, so ln c is added to
    p_mean, and p_std stays.
    """
    scaled = EDM_P_MEAN + math.log(sigma_data / EDM_SIGMA_DATA)
    return TrainingNoise(sigma_data, scaled if p_mean is None else p_mean, EDM_P_STD if p_std is None else p_std)
