"""How long and how fast to train."""

import math
from dataclasses import dataclass

from models.diffusion.power_function import gamma_of, power_decay


@dataclass(frozen=True)
class Budget:
    """Images seen = steps * batch.

    Attributes:
        steps: of the optimizer.
        batch: images a step.
        learning_rate: at its peak.
        warmup: share of the steps in which the rate rises linearly.
        cosine: whether it then decays to zero on a half cosine, or stays constant.
        ema: half-life of the weight average, as a share of the images seen so far (EDM2 calls it the ramp-up).
        p_mean, p_std: ln sigma ~ N(p_mean, p_std^2).
        warmup_images: images over which the rate rises, in place of `warmup`.
        ema_images: the half-life of the average is at most so many images.
        microbatch: images that go through the network at once; all of the batch's where it is None.
        augmentation: probability of each of EDM's augmentations.
        decay_images: where it is not None, the rate falls with the root of the images seen once they are more than these.
        ema_sigma_rel: where it is not None, the weight average is a power function's of this length, in place of `ema`.
    """

    steps: int
    batch: int
    learning_rate: float
    warmup: float
    cosine: bool
    ema: float
    p_mean: float
    p_std: float
    warmup_images: int | None = None
    ema_images: int | None = None
    microbatch: int | None = None
    augmentation: float = 0.0
    decay_images: int | None = None
    ema_sigma_rel: float | None = None

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        rise = self.warmup * self.steps if self.warmup_images is None else self.warmup_images / self.batch
        if self.decay_images is not None:  # EDM2, arXiv 2312.02696
            risen = min(1.0, (step + 1) / rise) if rise else 1.0
            return self.learning_rate * risen / math.sqrt(max(step * self.batch / self.decay_images, 1.0))
        if step < rise:
            return self.learning_rate * min(1.0, (step + 1) / rise)
        if not self.cosine:
            return self.learning_rate
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(self.steps - rise, 1)))

    def ema_decay(self, step: int) -> float:
        """What remains of the weight average at a step; with ema = 0 the average is the last weights."""
        if self.ema_sigma_rel is not None:
            return power_decay(gamma_of(self.ema_sigma_rel), step + 1)
        half_life = self.ema * (step + 1)  # in steps
        if self.ema_images is not None:
            half_life = min(half_life, self.ema_images / self.batch)
        return 0.5 ** (1 / half_life) if half_life else 0.0
