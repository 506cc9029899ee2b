"""Layers of EDM's U-Nets: names, shapes and arithmetic of the published parameters (Karras et al. 2022, arXiv 2206.00364).

Under autocast every layer computes in the half precision of its input, group normalisation too, whose sums are float32.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, group_norm, linear

Distribution = Literal["xavier_uniform", "kaiming_uniform", "kaiming_normal"]


class Init(NamedTuple):
    """How weights and biases begin: a distribution by fan-in and fan-out, and factors on what it gives."""

    distribution: Distribution = "kaiming_normal"
    weight: float = 1.0
    bias: float = 0.0

    def draw(self, shape: Sequence[int], fan_in: int, fan_out: int) -> Tensor:
        """A tensor of the distribution (Glorot and Bengio 2010; He et al. 2015)."""
        if self.distribution == "kaiming_normal":
            return math.sqrt(1 / fan_in) * torch.randn(*shape)
        variance = 3 / fan_in if self.distribution == "kaiming_uniform" else 6 / (fan_in + fan_out)
        return math.sqrt(variance) * (torch.rand(*shape) * 2 - 1)


USUAL = Init()


class Linear(nn.Module):
    """[B, in] -> [B, out]."""

    bias: nn.Parameter | None

    def __init__(self, n_in: int, n_out: int, init: Init, bias: bool = True) -> None:
        super().__init__()
        self.in_features = n_in
        self.weight = nn.Parameter(init.draw([n_out, n_in], n_in, n_out) * init.weight)
        self.bias = nn.Parameter(init.draw([n_out], n_in, n_out) * init.bias) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


class Convolution(nn.Module):
    """[B, in, H, W] -> [B, out, H', W']: resampling by 2 with a separable filter, then a convolution; either may be absent.

    kernel 0 is no convolution. `fused` leaves the filter's edges to the convolution, which then comes first (EDM's
    `fused_resample`, as NCSN++ uses it).
    """

    resample_filter: Tensor
    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: int,
        init: Init = USUAL,
        up: bool = False,
        down: bool = False,
        taps: Sequence[float] = (1, 1),
        fused: bool = False,
    ) -> None:
        super().__init__()
        self.n_in, self.n_out, self.up, self.down, self.fused = n_in, n_out, up, down, fused
        fan_in, fan_out = n_in * kernel**2, n_out * kernel**2
        self.weight = nn.Parameter(init.draw([n_out, n_in, kernel, kernel], fan_in, fan_out) * init.weight) if kernel else None
        self.bias = nn.Parameter(init.draw([n_out], fan_in, fan_out) * init.bias) if kernel else None
        row = torch.tensor(taps, dtype=torch.float32)
        self.register_buffer("resample_filter", (row.outer(row) / row.sum() ** 2)[None, None] if up or down else None)

    def forward(self, x: Tensor) -> Tensor:
        pad = self.weight.shape[-1] // 2 if self.weight is not None else 0
        if not (self.up or self.down):
            return self._convolved(x, pad)
        edge = (self.resample_filter.shape[-1] - 1) // 2
        taps = self.resample_filter.to(x.dtype)
        if self.fused and self.down:
            return self._downsampled(self._convolved(x, pad + edge), taps, 0)
        x = self._upsampled(x, taps, edge) if self.up else self._downsampled(x, taps, edge)
        return self._convolved(x, pad)

    def _convolved(self, x: Tensor, padding: int) -> Tensor:
        return x if self.weight is None else conv2d(x, self.weight, self.bias, padding=padding)

    @staticmethod
    def _upsampled(x: Tensor, taps: Tensor, padding: int) -> Tensor:
        channels = x.shape[1]
        return conv_transpose2d(x, (taps * 4).repeat(channels, 1, 1, 1), groups=channels, stride=2, padding=padding)

    @staticmethod
    def _downsampled(x: Tensor, taps: Tensor, padding: int) -> Tensor:
        channels = x.shape[1]
        return conv2d(x, taps.repeat(channels, 1, 1, 1), groups=channels, stride=2, padding=padding)


class GroupNorm(nn.Module):
    """Group normalisation in groups of at least 4 channels, 32 groups at most; in the input's precision."""

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.groups, self.eps = min(32, channels // 4), eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # autocast would compute, and hand on, float32
            return group_norm(x, self.groups, self.weight.to(x.dtype), self.bias.to(x.dtype), self.eps)


class PositionalEmbedding(nn.Module):
    """Cosines and sines of c_noise [B] -> [B, channels], with frequencies from 1 down to 1/10,000 (DDPM++, ADM)."""

    def __init__(self, channels: int, endpoint: bool = False) -> None:
        super().__init__()
        self.channels, self.last = channels, channels // 2 - endpoint

    def forward(self, c_noise: Tensor) -> Tensor:
        steps = torch.arange(self.channels // 2, dtype=torch.float32, device=c_noise.device) / self.last
        angles = c_noise.outer(((1 / 10_000) ** steps).to(c_noise.dtype))
        return torch.cat([angles.cos(), angles.sin()], dim=1)


class FourierEmbedding(nn.Module):
    """Cosines and sines of c_noise [B] -> [B, channels], with random frequencies (NCSN++)."""

    freqs: Tensor

    def __init__(self, channels: int, scale: float = 16.0) -> None:
        super().__init__()
        self.register_buffer("freqs", torch.randn(channels // 2) * scale)

    def forward(self, c_noise: Tensor) -> Tensor:
        angles = c_noise.outer((2 * torch.pi * self.freqs).to(c_noise.dtype))
        return torch.cat([angles.cos(), angles.sin()], dim=1)
