"""The settings that all networks and all samplers have. Imports nothing heavy, so that params can be checked at once."""

from typing import ClassVar

from models.registry import Count, Factor, Section


class NetworkSettings(Section):
    """What params.yaml needs to know of a network."""

    takes_labels: ClassVar[bool] = False
    """Whether it can be told the classes of samples: their number as a third argument, and `class_labels` [B, K]."""

    @property
    def takes_augmentation(self) -> bool:
        """Whether it can be told how images were augmented: `augment_labels` [B, 9]."""
        return False

    @property
    def multiplications(self) -> int | None:
        """About how many an evaluation takes for one sample, where that is so few that a GPU may be slower than a CPU."""
        return None


class SamplerSettings(Section):
    """What every sampler has: zeta scales the score; block is the fixed number of samples drawn at once."""

    zeta: Factor
    block: Count
    draws_noise: ClassVar[bool] = False
    """Whether the sampler takes a fourth argument, `noise`: (step) -> unit Gaussian noise [B, ...]."""

    @property
    def evaluations(self) -> int:
        """How often the denoiser is evaluated for a sample (the NFE)."""
        raise NotImplementedError(f"{type(self).__name__} does not say how often it evaluates the denoiser")
