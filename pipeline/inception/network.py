"""The Inception network of 2015-12-05 up to its pool features, under the parameter names of the published TorchScript file.

Szegedy et al. (arXiv 1512.00567), as TensorFlow computed it for FID (arXiv 1706.08500): average pools leave out the padding,
and the last block's pool is a maximum.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, batch_norm, conv2d, max_pool2d, relu

SIDE = 299


class Layer(nn.Module):
    """Convolution without bias, normalisation without scale, rectifier."""

    weight: Tensor
    beta: Tensor
    mean: Tensor
    var: Tensor

    def __init__(self, n_in: int, n_out: int, kernel: tuple[int, int], stride: int = 1, valid: bool = False) -> None:
        super().__init__()
        self.stride, self.padding = stride, (0, 0) if valid else (kernel[0] // 2, kernel[1] // 2)
        self.register_buffer("weight", torch.zeros(n_out, n_in, *kernel))
        for name in ("beta", "mean", "var"):
            self.register_buffer(name, torch.ones(n_out))

    def forward(self, x: Tensor) -> Tensor:
        x = conv2d(x, self.weight, None, self.stride, self.padding)
        return relu(batch_norm(x, self.mean, self.var, None, self.beta, eps=0.001))


ONE, THREE, FIVE, ROW, COLUMN = (1, 1), (3, 3), (5, 5), (1, 7), (7, 1)


def chain(n_in: int, *layers: tuple[int, tuple[int, int]], reduce: bool = False) -> nn.ModuleDict:
    """Layers `conv`, `conv_1`, ... of (channels, kernel); the last one halves the sides where `reduce` says so."""
    made = nn.ModuleDict()
    for number, (n_out, kernel) in enumerate(layers):
        last = reduce and number == len(layers) - 1
        made["conv" + f"_{number}" * (number > 0)] = Layer(n_in, n_out, kernel, 2 if last else 1, last)
        n_in = n_out
    return made


def through(layers: nn.ModuleDict, x: Tensor) -> Tensor:
    """What a chain gives."""
    for layer in layers.values():
        x = layer(x)
    return x


def averaged(x: Tensor) -> Tensor:
    """The mean of 3 x 3 neighbours, those outside the image left out."""
    return avg_pool2d(x, 3, 1, 1, count_include_pad=False)


class Mixed(nn.Module):
    """One convolution beside towers of them, and a pool: blocks 0 to 2 and 4 to 7."""

    def __init__(self, n_in: int, n_out: int, tower: nn.ModuleDict, tower_1: nn.ModuleDict, pooled: int) -> None:
        super().__init__()
        self.conv = Layer(n_in, n_out, ONE)
        self.tower, self.tower_1, self.tower_2 = tower, tower_1, chain(n_in, (pooled, ONE))

    def forward(self, x: Tensor) -> Tensor:
        towers = [through(self.tower, x), through(self.tower_1, x), through(self.tower_2, averaged(x))]
        return torch.cat([self.conv(x), *towers], dim=1)


class Reduced(nn.Module):
    """Half the sides: block 3, with one convolution and a tower, and block 8, with two towers."""

    def __init__(self, first: nn.Module, names: tuple[str, str], second: nn.ModuleDict) -> None:
        super().__init__()
        self.names = names
        for name, part in zip(names, (first, second)):
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Tensor:
        parts = [getattr(self, name) for name in self.names]
        found = [through(part, x) if isinstance(part, nn.ModuleDict) else part(x) for part in parts]
        return torch.cat([*found, max_pool2d(x, 3, 2)], dim=1)


class Spread(nn.Module):
    """Blocks 9 and 10: towers that end in a row and a column."""

    def __init__(self, n_in: int, maximum: bool) -> None:
        super().__init__()
        self.maximum = maximum
        self.conv = Layer(n_in, 320, ONE)
        self.tower_conv = Layer(n_in, 384, ONE)
        self.tower_mixed_conv, self.tower_mixed_conv_1 = Layer(384, 384, (1, 3)), Layer(384, 384, (3, 1))
        self.tower_1_conv, self.tower_1_conv_1 = Layer(n_in, 448, ONE), Layer(448, 384, THREE)
        self.tower_1_mixed_conv, self.tower_1_mixed_conv_1 = Layer(384, 384, (1, 3)), Layer(384, 384, (3, 1))
        self.tower_2_conv = Layer(n_in, 192, ONE)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.tower_conv(x), self.tower_1_conv_1(self.tower_1_conv(x))
        pooled = max_pool2d(x, 3, 1, 1) if self.maximum else averaged(x)
        spread = [
            self.tower_mixed_conv(a),
            self.tower_mixed_conv_1(a),
            self.tower_1_mixed_conv(b),
            self.tower_1_mixed_conv_1(b),
        ]
        return torch.cat([self.conv(x), *spread, self.tower_2_conv(pooled)], dim=1)


class Inception(nn.Module):
    """float32 images [B, 3, 299, 299] in [0, 255] -> pool features [B, 2048]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.conv_1 = Layer(3, 32, THREE, 2, valid=True), Layer(32, 32, THREE, valid=True)
        self.conv_2, self.conv_3, self.conv_4 = Layer(32, 64, THREE), Layer(64, 80, ONE), Layer(80, 192, THREE, valid=True)
        for number, (n_in, pooled) in enumerate(((192, 32), (256, 64), (288, 64))):
            tower, tower_1 = chain(n_in, (48, ONE), (64, FIVE)), chain(n_in, (64, ONE), (96, THREE), (96, THREE))
            self.add_module("mixed" + f"_{number}" * (number > 0), Mixed(n_in, 64, tower, tower_1, pooled))
        tower = chain(288, (64, ONE), (96, THREE), (96, THREE), reduce=True)
        self.mixed_3 = Reduced(Layer(288, 384, THREE, 2, valid=True), ("conv", "tower"), tower)
        for number, width in ((4, 128), (5, 160), (6, 160), (7, 192)):
            tower = chain(768, (width, ONE), (width, ROW), (192, COLUMN))
            tower_1 = chain(768, (width, ONE), (width, COLUMN), (width, ROW), (width, COLUMN), (192, ROW))
            self.add_module(f"mixed_{number}", Mixed(768, 192, tower, tower_1, 192))
        tower = chain(768, (192, ONE), (320, THREE), reduce=True)
        tower_1 = chain(768, (192, ONE), (192, ROW), (192, COLUMN), (192, THREE), reduce=True)
        self.mixed_8 = Reduced(tower, ("tower", "tower_1"), tower_1)
        self.mixed_9, self.mixed_10 = Spread(1280, maximum=False), Spread(2048, maximum=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_2(self.conv_1(self.conv((x - 128) / 128)))
        x = max_pool2d(self.conv_4(self.conv_3(max_pool2d(x, 3, 2))), 3, 2)
        for name, block in self.named_children():
            if name.startswith("mixed"):
                x = block(x)
        return x.mean(dim=(2, 3))
