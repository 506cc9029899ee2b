"""EDM2's magnitude-preserving U-Net with its log-variance head (Karras et al. 2024, arXiv 2312.02696, configuration G)."""

import math

import torch
from torch import Tensor, nn

from models.sizes.edm2_unet import Settings
from models.unet.magnitude import MPConv, MPFourier, mp_cat, mp_silu, mp_sum
from models.unet.magnitude_block import MPBlock, MPBlockStyle
from models.unet.shapes import check_sides


class EDM2UNet(nn.Module):
    """x [B, C, H, W], c_noise [B], class_labels [B, K] -> [B, C, H, W]; it knows how sure it is at a noise level."""

    def __init__(self, shape: tuple[int, ...], settings: Settings, classes: int = 0) -> None:
        super().__init__()
        check_sides("edm2-unet", shape, len(settings.multipliers))
        self.unet = UNet(shape, settings, classes)
        self.logvar_fourier = MPFourier(settings.logvar_channels)
        self.logvar_linear = MPConv(settings.logvar_channels, 1, 0)

    def forward(self, x: Tensor, c_noise: Tensor, class_labels: Tensor | None = None) -> Tensor:
        output: Tensor = self.unet(x, c_noise, class_labels)
        return output

    def log_variance(self, c_noise: Tensor) -> Tensor:
        """The uncertainty u(sigma) [B] of the loss at c_noise [B] (Eq. 21); only training asks for it."""
        u: Tensor = self.logvar_linear(self.logvar_fourier(c_noise))
        return u.squeeze(1)

    def normalise_weights(self) -> None:
        """Forced weight normalisation: a training calls it before each of its steps, and nothing else does (Eq. 66)."""
        for module in self.modules():
            if isinstance(module, MPConv):
                module.normalise()


class UNet(nn.Module):
    """The network itself: `unet` in published checkpoints."""

    def __init__(self, shape: tuple[int, ...], settings: Settings, classes: int) -> None:
        super().__init__()
        self.label_balance, self.concat_balance = settings.label_balance, settings.concat_balance
        widths = [settings.channels * multiplier for multiplier in settings.multipliers]
        noise = settings.channels * settings.noise_channels if settings.noise_channels else widths[0]
        embedding = settings.channels * settings.embedding_channels if settings.embedding_channels else max(widths)
        self.emb_fourier = MPFourier(noise)
        self.emb_noise = MPConv(noise, embedding, 0)
        self.emb_label = MPConv(classes, embedding, 0) if classes else None
        style = MPBlockStyle(
            embedding=embedding,
            dropout=settings.dropout,
            res_balance=settings.res_balance,
            attn_balance=settings.attn_balance,
            channels_per_head=settings.channels_per_head,
            clip_act=settings.clip_act,
            taps=settings.filter,
        )
        levels = [(shape[1] >> level, width) for level, width in enumerate(widths)]
        self.enc, skips = _encoder(shape[0], levels, settings, style)
        self.dec = _decoder(levels, settings, style, skips)
        self.out_conv = MPConv(widths[0], shape[0], 3)
        self.out_gain = nn.Parameter(torch.zeros([]))

    def forward(self, x: Tensor, c_noise: Tensor, class_labels: Tensor | None) -> Tensor:
        embedding = self._embedding(c_noise, class_labels)
        x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
        skips = list[Tensor]()
        for layer in self.enc.values():
            x = layer(x, embedding) if isinstance(layer, MPBlock) else layer(x)
            skips.append(x)
        for name, layer in self.dec.items():
            x = layer(mp_cat(x, skips.pop(), self.concat_balance) if "block" in name else x, embedding)
        output: Tensor = self.out_conv(x, self.out_gain)
        return output

    def _embedding(self, c_noise: Tensor, class_labels: Tensor | None) -> Tensor:
        """Of noise level and labels [B, E]; a sample of no class is told by labels of zeros."""
        embedding: Tensor = self.emb_noise(self.emb_fourier(c_noise))
        if self.emb_label is not None:
            n = self.emb_label.n_in
            labels = embedding.new_zeros(len(c_noise), n) if class_labels is None else class_labels
            told = self.emb_label(labels * math.sqrt(n))
            embedding = mp_sum(embedding, told.to(embedding.dtype), self.label_balance)
        return mp_silu(embedding)


def _encoder(
    image: int, levels: list[tuple[int, int]], settings: Settings, style: MPBlockStyle
) -> tuple[nn.ModuleDict, list[int]]:
    """The layers from the image (and a channel of ones) down, and the channels of each output that the decoder takes up."""
    layers, skips = nn.ModuleDict(), list[int]()
    out = levels[0][1]

    def add(name: str, layer: MPBlock | MPConv) -> None:
        layers[name] = layer
        skips.append(layer.n_out)

    for level, (side, width) in enumerate(levels):
        if level == 0:
            add(f"{side}x{side}_conv", MPConv(image + 1, out, 3))
        else:
            add(f"{side}x{side}_down", MPBlock(out, out, style, down=True))
        for index in range(settings.blocks):
            add(f"{side}x{side}_block{index}", MPBlock(out, width, style, attention=side in settings.attention))
            out = width
    return layers, skips


def _decoder(levels: list[tuple[int, int]], settings: Settings, style: MPBlockStyle, skips: list[int]) -> nn.ModuleDict:
    """The layers from the smallest images up."""
    layers, out = nn.ModuleDict(), levels[-1][1]
    for level, (side, width) in reversed(list(enumerate(levels))):
        if level == len(levels) - 1:
            layers[f"{side}x{side}_in0"] = MPBlock(out, out, style, decoder=True, attention=True)
            layers[f"{side}x{side}_in1"] = MPBlock(out, out, style, decoder=True)
        else:
            layers[f"{side}x{side}_up"] = MPBlock(out, out, style, decoder=True, up=True)
        for index in range(settings.blocks + 1):
            joint, attention = out + skips.pop(), side in settings.attention
            layers[f"{side}x{side}_block{index}"] = MPBlock(joint, width, style, decoder=True, attention=attention)
            out = width
    return layers
