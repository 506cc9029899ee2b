"""ADM, EDM's U-Net for ImageNet-64 (Dhariwal and Nichol 2021, arXiv 2105.05233; as in Karras et al. 2022, 2206.00364)."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from models.sizes.dhariwal_unet import Settings
from models.unet.block import Block, BlockStyle
from models.unet.layers import Convolution, GroupNorm, Init, Linear, PositionalEmbedding
from models.unet.shapes import AUGMENT_LABELS, check_sides

USUAL = Init("kaiming_uniform", math.sqrt(1 / 3), math.sqrt(1 / 3))
ZERO = Init("kaiming_uniform", 0.0, 0.0)


class DhariwalUNet(nn.Module):
    """x [B, C, H, W], c_noise [B], class_labels [B, K], augment_labels [B, 9] -> [B, C, H, W]."""

    def __init__(self, shape: tuple[int, ...], settings: Settings, classes: int = 0) -> None:
        super().__init__()
        check_sides("dhariwal-unet", shape, len(settings.multipliers))
        self.label_dropout = settings.label_dropout
        channels, width = settings.channels, settings.channels * settings.embedding_channels
        self.map_noise = PositionalEmbedding(channels)
        self.map_augment = Linear(AUGMENT_LABELS, channels, ZERO, bias=False) if settings.augment_labels else None
        self.map_layer0, self.map_layer1 = Linear(channels, width, USUAL), Linear(width, width, USUAL)
        labels = Init("kaiming_normal", math.sqrt(classes))
        self.map_label = Linear(classes, width, labels, bias=False) if classes else None
        style = BlockStyle(
            embedding=width,
            dropout=settings.dropout,
            skip_scale=1.0,
            eps=1e-5,
            taps=(1, 1),
            project=False,
            adaptive=True,
            heads=None,
            init=USUAL,
            init_zero=ZERO,
            init_attention=USUAL,
        )
        self.enc, self.dec = nn.ModuleDict(), nn.ModuleDict()
        sides = [shape[1] >> level for level in range(len(settings.multipliers))]
        out = channels * settings.multipliers[0]
        for level, (side, multiplier) in enumerate(zip(sides, settings.multipliers)):
            if level == 0:
                self.enc[f"{side}x{side}_conv"] = Convolution(shape[0], out, 3, USUAL)
                skips = [out]
            else:
                self.enc[f"{side}x{side}_down"] = Block(out, out, style, down=True)
                skips.append(out)
            for index in range(settings.blocks):
                attention = side in settings.attention
                self.enc[f"{side}x{side}_block{index}"] = Block(out, channels * multiplier, style, attention)
                out = channels * multiplier
                skips.append(out)
        for level, (side, multiplier) in reversed(list(enumerate(zip(sides, settings.multipliers)))):
            if level == len(sides) - 1:
                self.dec[f"{side}x{side}_in0"] = Block(out, out, style, attention=True)
                self.dec[f"{side}x{side}_in1"] = Block(out, out, style)
            else:
                self.dec[f"{side}x{side}_up"] = Block(out, out, style, up=True)
            for index in range(settings.blocks + 1):
                joint, out = out + skips.pop(), channels * multiplier
                self.dec[f"{side}x{side}_block{index}"] = Block(joint, out, style, side in settings.attention)
        self.out_norm = GroupNorm(out)
        self.out_conv = Convolution(out, shape[0], 3, ZERO)

    def forward(
        self, x: Tensor, c_noise: Tensor, class_labels: Tensor | None = None, augment_labels: Tensor | None = None
    ) -> Tensor:
        embedding = self._embedding(c_noise, class_labels, augment_labels)
        skips = list[Tensor]()
        for layer in self.enc.values():
            x = layer(x, embedding) if isinstance(layer, Block) else layer(x)
            skips.append(x)
        for layer in self.dec.values():
            x = layer(x if x.shape[1] == layer.n_in else torch.cat([x, skips.pop()], dim=1), embedding)
        return self.out_conv(silu(self.out_norm(x)))

    def _embedding(self, c_noise: Tensor, class_labels: Tensor | None, augment_labels: Tensor | None) -> Tensor:
        embedding = self.map_noise(c_noise)
        if self.map_augment is not None and augment_labels is not None:
            embedding = embedding + self.map_augment(augment_labels)
        embedding = self.map_layer1(silu(self.map_layer0(embedding)))
        if self.map_label is not None and class_labels is not None:
            if self.training and self.label_dropout:
                shown = torch.rand(len(class_labels), 1, device=class_labels.device) >= self.label_dropout
                class_labels = class_labels * shown
            embedding = embedding + self.map_label(class_labels)
        return silu(embedding)
