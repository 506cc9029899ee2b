"""Layers that keep the magnitude of what passes through them (Karras et al. 2024, arXiv 2312.02696, section 2 and appendix B).

Names and shapes of the parameters are the published ones. Norms are float32; all else is of the activations' precision.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear, silu

EPS = 1e-4
SILU_MAGNITUDE = 0.596
"""The root mean square of silu of a unit Gaussian (Eq. 81)."""


def normalised(x: Tensor, dim: int) -> Tensor:
    """x, scaled to a root mean square of 1 along a dimension: pixel normalisation where that is the channels."""
    norm = torch.linalg.vector_norm(x, dim=dim, keepdim=True, dtype=torch.float32)
    return x / (norm / math.sqrt(x.shape[dim]) + EPS).to(x.dtype)


def mp_silu(x: Tensor) -> Tensor:
    """silu that keeps the magnitude of unit Gaussian inputs (Eq. 81)."""
    return silu(x) / SILU_MAGNITUDE


def mp_sum(a: Tensor, b: Tensor, t: float) -> Tensor:
    """The weighted mean of uncorrelated a and b, of which b has the share t, at their magnitude (Eq. 88)."""
    return a.lerp(b, t) / math.hypot(1 - t, t)


def mp_cat(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Channels of a and b [B, C, H, W], joined so that b has the share t in what follows, however many each has (Eq. 103)."""
    n_a, n_b = a.shape[1], b.shape[1]
    scale = math.sqrt(n_a + n_b) / math.hypot(1 - t, t)
    return torch.cat([a * (scale / math.sqrt(n_a) * (1 - t)), b * (scale / math.sqrt(n_b) * t)], dim=1)


class MPFourier(nn.Module):
    """Unit-magnitude features sqrt(2) cos(c f + p) of c_noise, [B] -> [B, channels]; f and p are drawn once (Eq. 75)."""

    freqs: Tensor
    phases: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("freqs", 2 * torch.pi * torch.randn(channels))
        self.register_buffer("phases", 2 * torch.pi * torch.rand(channels))

    def forward(self, c_noise: Tensor) -> Tensor:
        return (c_noise.float().outer(self.freqs) + self.phases).cos() * math.sqrt(2)


class MPConv(nn.Module):
    """A convolution [B, in, H, W] -> [B, out, H, W], or for kernel 0 a linear layer [B, in] -> [B, out], without bias.

    The weights of each output are used at unit norm, whatever they are (Eq. 47), so outputs have the inputs' magnitude.
    """

    def __init__(self, n_in: int, n_out: int, kernel: int) -> None:
        super().__init__()
        self.n_in, self.n_out = n_in, n_out
        self.weight = nn.Parameter(torch.randn(n_out, n_in, *[kernel] * 2 * bool(kernel)))

    def forward(self, x: Tensor, gain: Tensor | float = 1.0) -> Tensor:
        """The layer of x, times a gain."""
        weight = (self.weight * (gain / math.sqrt(self._fan_in) / self._magnitude())).to(x.dtype)
        return linear(x, weight) if weight.ndim == 2 else conv2d(x, weight, padding=weight.shape[-1] // 2)

    @torch.no_grad()
    def normalise(self) -> None:
        """Set each output's weights to magnitude 1: forced weight normalisation, for networks that train (Eq. 66)."""
        self.weight.div_(self._magnitude())

    @property
    def _fan_in(self) -> int:
        return self.weight[0].numel()

    def _magnitude(self) -> Tensor:
        """The root mean square of each output's weights, [out, 1, ...]."""
        dims = list(range(1, self.weight.ndim))
        return torch.linalg.vector_norm(self.weight, dim=dims, keepdim=True) / math.sqrt(self._fan_in) + EPS
