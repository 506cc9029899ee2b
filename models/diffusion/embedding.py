"""The noise level as an input of a network."""

import torch
from torch import Tensor, nn


class NoiseEmbedding(nn.Module):
    """Sinusoidal features of c_noise, shape [B] -> [B, channels] (EDM's `PositionalEmbedding`, adapted to small networks).

    The frequencies are spread geometrically from 1/4 to 4: c_noise = ln(sigma)/4 lies between -1.6 and 1.1.
    """

    frequencies: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels % 2:
            raise ValueError(f"embedding must be even, got {channels}")
        self.register_buffer("frequencies", torch.logspace(-2, 2, channels // 2, base=2.0), persistent=False)

    def forward(self, c_noise: Tensor) -> Tensor:
        angles = c_noise[:, None] * self.frequencies
        return torch.cat([angles.cos(), angles.sin()], dim=1)
