"""EDM's deterministic sampler: Heun's second-order method (Karras et al. 2022, Algorithm 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.diffusion.levels import LevelSettings
from models.registry import SAMPLERS

if TYPE_CHECKING:
    from torch import Tensor

    from models.diffusion.denoiser import Denoise


class Settings(LevelSettings):
    """Noise levels from sigma_max to sigma_min, spaced by rho (EDM Eq. 5), then 0."""

    @property
    def evaluations(self) -> int:
        """Two a step, but one in the last."""
        return 2 * self.steps - 1


@SAMPLERS.register("heun", Settings)
def heun(denoise: Denoise, latents: Tensor, settings: Settings) -> Tensor:
    """Samples [B, ...] of unit Gaussian latents [B, ...]."""
    from models.diffusion.schedule import karras_sigmas

    return sample_heun(denoise, latents, karras_sigmas(settings.steps, settings.sigma_min, settings.sigma_max, settings.rho))


def sample_heun(denoise: Denoise, latents: Tensor, sigmas: Tensor) -> Tensor:
    """Heun's second-order method on the probability-flow ODE (EDM Algorithm 1); 2 N - 1 evaluations for N steps.

    latents are unit Gaussian [B, ...]; sigmas as from `karras_sigmas`. The state is kept in the latents' own precision.
    """
    import torch

    from models.diffusion.schedule import heun_step

    with torch.inference_mode():
        levels = sigmas.to(latents)
        x = latents * levels[0]
        for i, (t, t_next) in enumerate(zip(levels, levels[1:])):
            x = heun_step(denoise, x, t, t_next, last=i + 2 == len(levels))
    return x
