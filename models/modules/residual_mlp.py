"""A residual multilayer perceptron, for small images."""

import math

from torch import Tensor, nn

from models.diffusion.embedding import NoiseEmbedding
from models.sizes.residual_mlp import Settings


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
    """[B, C, H, W] -> [B, C, H, W], conditioned in every block."""

    def __init__(self, shape: tuple[int, ...], settings: Settings) -> None:
        super().__init__()
        size, width, embedding = math.prod(shape), settings.width, settings.embedding
        self.embed = nn.Sequential(NoiseEmbedding(embedding), nn.Linear(embedding, embedding), nn.SiLU())
        self.head = nn.Linear(size, width)
        self.blocks = nn.ModuleList(ResidualBlock(width, embedding) for _ in range(settings.depth))
        self.tail = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, size))

    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        emb = self.embed(c_noise)
        h = self.head(x.flatten(1))
        for block in self.blocks:
            h = block(h, emb)
        return self.tail(h).view_as(x)
