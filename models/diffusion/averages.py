"""An average of a model's weights, carried along as it trains."""

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import nn

from models.diffusion.buffers import flatten
from models.diffusion.denoiser import Denoiser


class Average:
    """A copy of the model with the average of its weights, of which `decay(step)` remains at a step, counted from 0."""

    def __init__(self, model: Denoiser, decay: Callable[[int], float]) -> None:
        self.model = deepcopy(model).requires_grad_(False).eval()
        self.decay = decay
        self._flat = flatten(self.model)

    @torch.no_grad()
    def update(self, weights: list[nn.Parameter], step: int) -> None:
        """Take in the weights after a step, as `flatten` joined them."""
        share = 1 - self.decay(step)
        for average, each in zip(self._flat, weights):
            average.lerp_(each, share)

    @torch.no_grad()
    def take_buffers(self, model: Denoiser) -> None:
        """Take over the model's running statistics, which are no parameters."""
        for ours, theirs in zip(self.model.buffers(), model.buffers()):
            ours.copy_(theirs)

    def denoiser(self) -> Denoiser:
        """A copy, whose parameters are its own."""
        return deepcopy(self.model)
