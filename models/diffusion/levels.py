"""The settings of EDM's noise levels, checked without torch."""

import math
from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from models.diffusion.settings import SamplerSettings
from models.registry import Positive, Scale


class LevelSettings(SamplerSettings):
    """`steps` noise levels from sigma_max to sigma_min, spaced by rho (EDM Eq. 5), then 0."""

    steps: Annotated[int, Field(ge=2, le=10_000)]
    sigma_min: Scale
    sigma_max: Scale
    rho: Positive

    @model_validator(mode="after")
    def _is_ordered(self) -> "LevelSettings":
        if self.sigma_min >= self.sigma_max:
            raise ValueError(f"sigma_min {self.sigma_min:g} is not allowed: it must be below sigma_max, {self.sigma_max:g}")
        if not self._levels_fall:
            raise ValueError(
                f"rho {self.rho:g} is not allowed: the {self.steps} noise levels must fall from {self.sigma_max:g} to"
                f" {self.sigma_min:g}, each one below the one before in float32 (EDM's rho is 7)"
            )
        return self

    @property
    def _levels_fall(self) -> bool:
        """Whether computing the levels (`karras_sigmas`) gives what is asked for: powers may overflow, or round to the same."""
        ramp = np.linspace(0, 1, self.steps)
        try:
            hi, lo = self.sigma_max ** (1 / self.rho), self.sigma_min ** (1 / self.rho)
        except OverflowError:
            return False
        with np.errstate(all="ignore"):
            levels = (hi + ramp * (lo - hi)) ** self.rho
            falls = bool((np.diff(levels.astype(np.float32)) < 0).all())
        exact = math.isclose(levels[0], self.sigma_max, rel_tol=1e-3) and math.isclose(levels[-1], self.sigma_min, rel_tol=1e-3)
        return exact and falls
