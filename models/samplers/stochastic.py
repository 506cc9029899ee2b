"""EDM's stochastic sampler: Heun's method with fresh noise at every step (Karras et al. 2022, Algorithm 2)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, model_validator

from models.diffusion.levels import LevelSettings
from models.registry import SAMPLERS, Factor, Positive

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from models.diffusion.denoiser import Denoise


NotNegative = Annotated[float, Field(ge=0)]


class Settings(LevelSettings):
    """EDM's noise levels, of which those from `s_tmin` to `s_tmax` are raised.

    `s_churn` says by how much, over all steps; the noise for it is scaled by `s_noise`.
    """

    draws_noise: ClassVar[bool] = True
    s_churn: NotNegative
    s_tmin: NotNegative = 0.0
    s_tmax: Positive = 1e9
    s_noise: Factor = 1.0

    @model_validator(mode="after")
    def _has_levels_to_raise(self) -> Settings:
        if self.s_tmin > self.s_tmax:
            raise ValueError(f"s_tmin {self.s_tmin:g} is not allowed: it must not be above s_tmax, {self.s_tmax:g}")
        return self

    @property
    def evaluations(self) -> int:
        """Two a step, but one in the last."""
        return 2 * self.steps - 1


@SAMPLERS.register("stochastic", Settings)
def stochastic(denoise: Denoise, latents: Tensor, settings: Settings, noise: Callable[[int], Tensor]) -> Tensor:
    """Samples [B, ...] of unit Gaussian latents [B, ...]; `noise` gives unit Gaussian noise [B, ...] for a step."""
    from models.diffusion.schedule import heun_step, karras_sigmas

    levels = karras_sigmas(settings.steps, settings.sigma_min, settings.sigma_max, settings.rho)
    most = min(settings.s_churn / settings.steps, math.sqrt(2) - 1)
    x = latents * levels[0].to(latents)
    for i in range(settings.steps):
        raised = most if settings.s_tmin <= float(levels[i]) <= settings.s_tmax else 0.0
        level = levels[i] * (1 + raised)
        if raised:
            x = x + float((level**2 - levels[i] ** 2).sqrt()) * settings.s_noise * noise(i)
        x = heun_step(denoise, x, level.to(latents), levels[i + 1].to(latents), last=i == settings.steps - 1)
    return x
