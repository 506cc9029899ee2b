"""EDM's U-Net of DDPM++ and NCSN++ (Song et al. 2021, arXiv 2011.13456; as in Karras et al. 2022, arXiv 2206.00364)."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from models.sizes.song_unet import Settings
from models.unet.block import Block, BlockStyle
from models.unet.layers import Convolution, FourierEmbedding, GroupNorm, Init, Linear, PositionalEmbedding
from models.unet.shapes import AUGMENT_LABELS, check_sides

EPS = 1e-6
"""Of all normalisations."""
USUAL, ZERO, ATTENTION = Init("xavier_uniform"), Init("xavier_uniform", 1e-5), Init("xavier_uniform", math.sqrt(0.2))


class SongUNet(nn.Module):
    """x [B, C, H, W], c_noise [B], class_labels [B, K], augment_labels [B, 9] -> [B, C, H, W]."""

    def __init__(self, shape: tuple[int, ...], settings: Settings, classes: int = 0) -> None:
        super().__init__()
        check_sides("song-unet", shape, len(settings.multipliers))
        self.label_dropout = settings.label_dropout
        noise, width = settings.channels * settings.noise_channels, settings.channels * settings.embedding_channels
        self.map_noise: nn.Module | None = None
        self.noise_channels = noise
        if settings.embedding != "zero":
            fourier = settings.embedding == "fourier"
            self.map_noise = FourierEmbedding(noise) if fourier else PositionalEmbedding(noise, endpoint=True)
        self.map_label = Linear(classes, noise, USUAL) if classes else None
        self.map_augment = Linear(AUGMENT_LABELS, noise, USUAL, bias=False) if settings.augment_labels else None
        self.map_layer0, self.map_layer1 = Linear(noise, width, USUAL), Linear(width, width, USUAL)
        style = BlockStyle(
            embedding=width,
            dropout=settings.dropout,
            skip_scale=math.sqrt(0.5),
            eps=EPS,
            taps=settings.filter,
            project=True,
            adaptive=False,
            heads=1,
            init=USUAL,
            init_zero=ZERO,
            init_attention=ATTENTION,
        )
        self.enc, skips = _encoder(shape, settings, style)
        self.dec = _decoder(shape, settings, style, skips)

    def forward(
        self, x: Tensor, c_noise: Tensor, class_labels: Tensor | None = None, augment_labels: Tensor | None = None
    ) -> Tensor:
        embedding = self._embedding(c_noise, class_labels, augment_labels)
        skips, aux = list[Tensor](), x
        for name, layer in self.enc.items():
            if "aux_down" in name:
                aux = layer(aux)
            elif "aux_skip" in name:
                x = skips[-1] = x + layer(aux)
            elif "aux_residual" in name:
                x = skips[-1] = aux = (x + layer(aux)) / math.sqrt(2)
            else:
                x = layer(x, embedding) if isinstance(layer, Block) else layer(x)
                skips.append(x)
        total, shown = None, x
        for name, layer in self.dec.items():
            if "aux_up" in name:
                total = layer(total)
            elif "aux_norm" in name:
                shown = layer(x)
            elif "aux_conv" in name:
                shown = layer(silu(shown))
                total = shown if total is None else shown + total
            else:
                x = layer(x if x.shape[1] == layer.n_in else torch.cat([x, skips.pop()], dim=1), embedding)
        assert total is not None
        return total

    def _embedding(self, c_noise: Tensor, class_labels: Tensor | None, augment_labels: Tensor | None) -> Tensor:
        if self.map_noise is None:
            embedding = torch.zeros(len(c_noise), self.noise_channels, device=c_noise.device)
        else:
            cosines, sines = self.map_noise(c_noise).chunk(2, dim=1)
            embedding = torch.cat([sines, cosines], dim=1)
        if self.map_label is not None and class_labels is not None:
            if self.training and self.label_dropout:
                shown = torch.rand(len(class_labels), 1, device=class_labels.device) >= self.label_dropout
                class_labels = class_labels * shown
            embedding = embedding + self.map_label(class_labels * math.sqrt(self.map_label.in_features))
        elif self.map_label is not None:
            embedding = embedding + self.map_label(embedding.new_zeros(len(c_noise), self.map_label.in_features))
        if self.map_augment is not None and augment_labels is not None:
            embedding = embedding + self.map_augment(augment_labels)
        return silu(self.map_layer1(silu(self.map_layer0(embedding))))


def _encoder(shape: tuple[int, ...], settings: Settings, style: BlockStyle) -> tuple[nn.ModuleDict, list[int]]:
    """The layers from the image down, and the channels of each output that the decoder takes up."""
    layers, skips = nn.ModuleDict(), list[int]()
    out, aux = settings.channels, shape[0]

    def add(name: str, layer: Block | Convolution) -> None:
        layers[name] = layer
        skips.append(layer.n_out)

    for level, multiplier in enumerate(settings.multipliers):
        side = shape[1] >> level
        if level == 0:
            add(f"{side}x{side}_conv", Convolution(shape[0], out, 3, USUAL))
        else:
            add(f"{side}x{side}_down", Block(out, out, style, down=True))
            if settings.encoder == "skip":
                layers[f"{side}x{side}_aux_down"] = Convolution(aux, aux, 0, down=True, taps=settings.filter)
                layers[f"{side}x{side}_aux_skip"] = Convolution(aux, out, 1, USUAL)
            if settings.encoder == "residual":
                residual = Convolution(aux, out, 3, USUAL, down=True, taps=settings.filter, fused=True)
                layers[f"{side}x{side}_aux_residual"], aux = residual, out
        for index in range(settings.blocks):
            add(f"{side}x{side}_block{index}", Block(out, settings.channels * multiplier, style, side in settings.attention))
            out = settings.channels * multiplier
    return layers, skips


def _decoder(shape: tuple[int, ...], settings: Settings, style: BlockStyle, skips: list[int]) -> nn.ModuleDict:
    """The layers from the smallest images up."""
    layers, image = nn.ModuleDict(), shape[0]
    last = len(settings.multipliers) - 1
    out = settings.channels * settings.multipliers[-1]
    for level, multiplier in reversed(list(enumerate(settings.multipliers))):
        side = shape[1] >> level
        if level == last:
            layers[f"{side}x{side}_in0"] = Block(out, out, style, attention=True)
            layers[f"{side}x{side}_in1"] = Block(out, out, style)
        else:
            layers[f"{side}x{side}_up"] = Block(out, out, style, up=True)
        for index in range(settings.blocks + 1):
            joint, out = out + skips.pop(), settings.channels * multiplier
            attention = index == settings.blocks and side in settings.attention
            layers[f"{side}x{side}_block{index}"] = Block(joint, out, style, attention)
        if settings.decoder == "skip" or level == 0:
            if settings.decoder == "skip" and level < last:
                layers[f"{side}x{side}_aux_up"] = Convolution(image, image, 0, up=True, taps=settings.filter)
            layers[f"{side}x{side}_aux_norm"] = GroupNorm(out, EPS)
            layers[f"{side}x{side}_aux_conv"] = Convolution(out, image, 3, ZERO)
    return layers
