"""EDM's noise levels, and a step from one to the next."""

import math
from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import Tensor

from models.diffusion.denoiser import Denoise
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
        """Whether the computed levels are what is asked for: powers of 1 / rho may overflow, or round to the same number."""
        try:
            levels = karras_sigmas(self.steps, self.sigma_min, self.sigma_max, self.rho)[:-1]
        except OverflowError:
            return False
        exact = math.isclose(levels[0], self.sigma_max, rel_tol=1e-3) and math.isclose(levels[-1], self.sigma_min, rel_tol=1e-3)
        return exact and bool((levels.float().diff() < 0).all())


def karras_sigmas(steps: int, sigma_min: float, sigma_max: float, rho: float) -> Tensor:
    """Noise levels t_0 = sigma_max > ... > t_{N-1} = sigma_min, t_N = 0, as float64 [steps + 1] (EDM Eq. 5)."""
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    hi, lo = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return torch.cat([(hi + ramp * (lo - hi)) ** rho, torch.zeros(1, dtype=torch.float64)])


def heun_step(denoise: Denoise, x: Tensor, t: Tensor, t_next: Tensor, last: bool) -> Tensor:
    """x [B, ...] at level t to level t_next by Heun's method; the last step, to 0, by Euler's (EDM Algorithm 1)."""
    d = (x - denoise(x, t)) / t
    x_euler = x + (t_next - t) * d
    if last:
        return x_euler
    d_next = (x_euler - denoise(x_euler, t_next)) / t_next
    return x + (t_next - t) * (d + d_next) / 2
