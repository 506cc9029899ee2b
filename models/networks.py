"""Networks F(x, c_noise) that an EDM-preconditioned denoiser wraps.

Adding a network: write a class, give it a name in `NETWORKS`; `params.yaml` selects it by `network.kind`.
"""

import math
from collections.abc import Callable

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


class MLP(nn.Module):
    """A plain multilayer perceptron for points: [B, D] -> [B, D]; the noise embedding is concatenated to the input."""

    def __init__(self, shape: tuple[int, ...], width: int, depth: int, embedding: int) -> None:
        super().__init__()
        size = math.prod(shape)
        self.embed = NoiseEmbedding(embedding)
        widths = [size + embedding, *[width] * depth]
        hidden = [layer for a, b in zip(widths, widths[1:]) for layer in (nn.Linear(a, b), nn.SiLU())]
        self.layers = nn.Sequential(*hidden, nn.Linear(width, size))

    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        return self.layers(torch.cat([x.flatten(1), self.embed(c_noise)], dim=1)).view_as(x)


class ResidualBlock(nn.Module):
    """h + W2 silu(W1 norm(h) + E emb), shape-preserving on [B, width]; W2 starts at zero, so a fresh block is the identity."""

    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width, width)
        self.condition = nn.Linear(embedding, width)
        self.outer = nn.Linear(width, width)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, h: Tensor, emb: Tensor) -> Tensor:
        return h + self.outer(nn.functional.silu(self.inner(self.norm(h)) + self.condition(emb)))


class ResidualMLP(nn.Module):
    """A residual multilayer perceptron for small images: [B, C, H, W] -> [B, C, H, W], conditioned in every block."""

    def __init__(self, shape: tuple[int, ...], width: int, depth: int, embedding: int) -> None:
        super().__init__()
        size = math.prod(shape)
        self.embed = nn.Sequential(NoiseEmbedding(embedding), nn.Linear(embedding, embedding), nn.SiLU())
        self.head = nn.Linear(size, width)
        self.blocks = nn.ModuleList(ResidualBlock(width, embedding) for _ in range(depth))
        self.tail = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, size))

    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        emb = self.embed(c_noise)
        h = self.head(x.flatten(1))
        for block in self.blocks:
            h = block(h, emb)
        return self.tail(h).view_as(x)


NETWORKS: dict[str, Callable[..., nn.Module]] = {"mlp": MLP, "residual-mlp": ResidualMLP}
