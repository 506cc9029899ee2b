"""EDM's deterministic sampler: Heun's second-order method (Karras et al. 2022, Algorithm 1)."""

from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import Tensor

from models.diffusion.denoiser import Denoise
from models.diffusion.schedule import karras_sigmas
from models.diffusion.settings import SamplerSettings
from models.registry import SAMPLERS, Positive


class Settings(SamplerSettings):
    """Noise levels from sigma_max to sigma_min, spaced by rho (EDM Eq. 5), then 0."""

    steps: Annotated[int, Field(ge=2, le=10_000)]
    sigma_min: Positive
    sigma_max: Positive
    rho: Positive

    @model_validator(mode="after")
    def _is_ordered(self) -> "Settings":
        if self.sigma_min >= self.sigma_max:
            raise ValueError(f"sigma_min {self.sigma_min:g} is not allowed: it must be below sigma_max, {self.sigma_max:g}")
        return self

    @property
    def evaluations(self) -> int:
        """Two a step, but one in the last."""
        return 2 * self.steps - 1


@SAMPLERS.register("heun", Settings)
def heun(denoise: Denoise, latents: Tensor, settings: Settings) -> Tensor:
    """Samples [B, ...] of unit Gaussian latents [B, ...]."""
    return sample_heun(denoise, latents, karras_sigmas(settings.steps, settings.sigma_min, settings.sigma_max, settings.rho))


@torch.inference_mode()
def sample_heun(denoise: Denoise, latents: Tensor, sigmas: Tensor) -> Tensor:
    """Heun's second-order method on the probability-flow ODE (EDM Algorithm 1); 2 N - 1 evaluations for N steps.

    latents are unit Gaussian [B, ...]; sigmas as from `karras_sigmas`. The state is kept in the latents' own precision.
    """
    levels = sigmas.to(latents)
    x = latents * levels[0]
    for i, (t, t_next) in enumerate(zip(levels, levels[1:])):
        d = (x - denoise(x, t)) / t
        x_euler = x + (t_next - t) * d
        if i + 2 < len(levels):
            d_next = (x_euler - denoise(x_euler, t_next)) / t_next
            x = x + (t_next - t) * (d + d_next) / 2
        else:
            x = x_euler
    return x
