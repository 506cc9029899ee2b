"""The residual block of EDM's U-Nets, with attention where there are heads."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, scaled_dot_product_attention, silu

from models.unet.layers import Convolution, GroupNorm, Init, Linear


@dataclass(frozen=True)
class BlockStyle:
    """What all blocks of a network have in common.

    Attributes:
        embedding: channels of the embedding of noise level and labels.
        dropout: the probability that an activation is dropped in training.
        skip_scale: factor on the sum of a branch and what it is added to.
        eps: of the normalisations.
        taps: the resampling filter.
        project: whether a resampled shortcut is a convolution even where the channels stay.
        adaptive: whether the embedding scales as well as shifts.
        heads: of attention; None for one for each 64 channels.
        init, init_zero, init_attention: of the weights; of those that begin (almost) at zero; of queries, keys and values.
    """

    embedding: int
    dropout: float
    skip_scale: float
    eps: float
    taps: Sequence[float]
    project: bool
    adaptive: bool
    heads: int | None
    init: Init
    init_zero: Init
    init_attention: Init


class Block(nn.Module):
    """[B, in, H, W], embedding [B, E] -> [B, out, H', W'] (arXiv 2011.13456; 2105.05233; 2206.00364, appendix F.1)."""

    def __init__(
        self, n_in: int, n_out: int, style: BlockStyle, attention: bool = False, up: bool = False, down: bool = False
    ) -> None:
        super().__init__()
        self.n_in, self.n_out = n_in, n_out
        self.dropout, self.skip_scale, self.adaptive = style.dropout, style.skip_scale, style.adaptive
        self.heads = (n_out // 64 if style.heads is None else style.heads) if attention else 0
        self.norm0 = GroupNorm(n_in, style.eps)
        self.conv0 = Convolution(n_in, n_out, 3, style.init, up, down, style.taps)
        self.affine = Linear(style.embedding, n_out * (2 if style.adaptive else 1), style.init)
        self.norm1 = GroupNorm(n_out, style.eps)
        self.conv1 = Convolution(n_out, n_out, 3, style.init_zero)
        self.skip: Convolution | None = None
        if n_in != n_out or up or down:
            kernel = 1 if style.project or n_in != n_out else 0
            self.skip = Convolution(n_in, n_out, kernel, style.init, up, down, style.taps)
        if self.heads:
            self.norm2 = GroupNorm(n_out, style.eps)
            self.qkv = Convolution(n_out, n_out * 3, 1, style.init_attention)
            self.proj = Convolution(n_out, n_out, 1, style.init_zero)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        shortcut = x if self.skip is None else self.skip(x)
        x = self.conv0(silu(self.norm0(x)))
        told = self.affine(embedding)[:, :, None, None].to(x.dtype)
        if self.adaptive:
            scale, shift = told.chunk(2, dim=1)
            x = silu(torch.addcmul(shift, self.norm1(x), scale + 1))
        else:
            x = silu(self.norm1(x + told))
        x = (self.conv1(dropout(x, self.dropout, self.training)) + shortcut) * self.skip_scale
        return (self._attended(x) + x) * self.skip_scale if self.heads else x

    def _attended(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        qkv = self.qkv(self.norm2(x)).reshape(batch, self.heads, channels // self.heads, 3, height * width)
        q, k, v = qkv.permute(3, 0, 1, 4, 2).unbind(0)  # each [B, heads, H W, C / heads]
        attended = scaled_dot_product_attention(q, k, v)
        return self.proj(attended.transpose(2, 3).reshape(batch, channels, height, width))
