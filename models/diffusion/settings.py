"""The settings that all samplers have. Imports nothing heavy, so that params can be checked at once."""

from typing import ClassVar

from models.registry import Count, Positive, Section


class SamplerSettings(Section):
    """What every sampler has: zeta scales the score; block is the fixed number of samples drawn at once."""

    zeta: Positive
    block: Count
    draws_noise: ClassVar[bool] = False
    """Whether the sampler takes a fourth argument, `noise`: (step) -> unit Gaussian noise [B, ...]."""

    @property
    def evaluations(self) -> int:
        """How often the denoiser is evaluated for a sample (the NFE)."""
        raise NotImplementedError(f"{type(self).__name__} does not say how often it evaluates the denoiser")
