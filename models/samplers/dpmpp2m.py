"""DPM-Solver++(2M): second order with one evaluation a step (Lu et al. 2022, arXiv 2211.01095)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.diffusion.levels import LevelSettings
from models.registry import SAMPLERS

if TYPE_CHECKING:
    from torch import Tensor

    from models.diffusion.denoiser import Denoise


class Settings(LevelSettings):
    """EDM's noise levels, of which each costs one evaluation."""

    @property
    def evaluations(self) -> int:
        """One a step."""
        return self.steps


@SAMPLERS.register("dpm++2m", Settings)
def dpmpp2m(denoise: Denoise, latents: Tensor, settings: Settings) -> Tensor:
    """Samples [B, ...] of unit Gaussian latents [B, ...].

    Algorithm 2 of the paper for alpha = 1, in lambda = -ln sigma: the denoised image is extrapolated linearly from the last two
    steps. The first step has one alone, and the last, to sigma = 0, is the denoised image itself.
    """
    from models.diffusion.schedule import karras_sigmas

    levels = karras_sigmas(settings.steps, settings.sigma_min, settings.sigma_max, settings.rho)
    x = former = latents * levels[0].to(latents)
    for i in range(settings.steps):
        denoised = denoise(x, levels[i].to(latents))
        extrapolated = denoised
        if 0 < i < settings.steps - 1:
            before, after = float((levels[i - 1] / levels[i]).log()), float((levels[i] / levels[i + 1]).log())
            share = after / (2 * before)  # 1 / 2r of the paper
            extrapolated = (1 + share) * denoised - share * former
        ratio = float(levels[i + 1] / levels[i])
        x, former = ratio * x + (1 - ratio) * extrapolated, denoised
    return x
