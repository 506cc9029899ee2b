"""The residual block of EDM2's U-Net, with attention where there are heads."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, scaled_dot_product_attention

from models.unet.layers import Convolution
from models.unet.magnitude import MPConv, mp_silu, mp_sum, normalised


@dataclass(frozen=True)
class MPBlockStyle:
    """What all blocks of a network have in common.

    Attributes:
        embedding: channels of the embedding of noise level and labels.
        dropout: the probability that an activation is dropped in training.
        res_balance, attn_balance: the share of the residual branch, and of attention, in what it is added to.
        channels_per_head: of attention.
        clip_act: activations are kept between this and its negative; None for no bounds.
        taps: the resampling filter.
    """

    embedding: int
    dropout: float
    res_balance: float
    attn_balance: float
    channels_per_head: int
    clip_act: float | None
    taps: Sequence[float]


class MPBlock(nn.Module):
    """[B, in, H, W], embedding [B, E] -> [B, out, H', W'] (arXiv 2312.02696, figure 2 and appendix B).

    In the encoder the shortcut is changed to `n_out` channels first and pixel-normalised; in the decoder last.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        style: MPBlockStyle,
        decoder: bool = False,
        attention: bool = False,
        up: bool = False,
        down: bool = False,
    ) -> None:
        super().__init__()
        self.n_in, self.n_out, self.style, self.decoder = n_in, n_out, style, decoder
        self.heads = n_out // style.channels_per_head if attention else 0
        if self.heads and n_out % self.heads:
            raise ValueError(
                f"network.channels_per_head: {style.channels_per_head} is not allowed: {n_out} channels are no multiple of"
                f" {self.heads} heads"
            )
        self.resample = Convolution(n_in, n_in, 0, up=up, down=down, taps=style.taps) if up or down else None
        if self.resample:  # published checkpoints do not have the filter
            self.resample.register_buffer("resample_filter", self.resample.resample_filter, persistent=False)
        self.emb_gain = nn.Parameter(torch.zeros([]))
        self.conv_res0 = MPConv(n_in if decoder else n_out, n_out, 3)
        self.emb_linear = MPConv(style.embedding, n_out, 0)
        self.conv_res1 = MPConv(n_out, n_out, 3)
        self.conv_skip = MPConv(n_in, n_out, 1) if n_in != n_out else None
        self.attn_qkv = MPConv(n_out, n_out * 3, 1) if self.heads else None
        self.attn_proj = MPConv(n_out, n_out, 1) if self.heads else None

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        x = x if self.resample is None else self.resample(x)
        if not self.decoder:
            x = normalised(x if self.conv_skip is None else self.conv_skip(x), dim=1)
        told = self.emb_linear(embedding, self.emb_gain) + 1
        branch = self.conv_res0(mp_silu(x))
        branch = mp_silu(branch * told[:, :, None, None].to(branch.dtype))
        branch = self.conv_res1(dropout(branch, self.style.dropout, self.training))
        if self.decoder and self.conv_skip is not None:
            x = self.conv_skip(x)
        x = mp_sum(x.to(branch.dtype), branch, self.style.res_balance)
        if self.attn_qkv is not None and self.attn_proj is not None:
            x = mp_sum(x, self.attn_proj(self._attended(self.attn_qkv(x))), self.style.attn_balance)
        return x if self.style.clip_act is None else x.clip(-self.style.clip_act, self.style.clip_act)

    def _attended(self, qkv: Tensor) -> Tensor:
        """Cosine attention (appendix B.3): queries, keys and values [B, 3 C, H, W] at unit magnitude -> [B, C, H, W]."""
        batch, _, height, width = qkv.shape
        parts = normalised(qkv.reshape(batch, self.heads, -1, 3, height * width), dim=2)
        q, k, v = parts.permute(3, 0, 1, 4, 2).unbind(0)  # each [B, heads, H W, C / heads]
        return scaled_dot_product_attention(q, k, v).transpose(2, 3).reshape(batch, -1, height, width)
