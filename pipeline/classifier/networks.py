"""Networks that tell the classes of images, and their training."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.diffusion.examples import decoded
from pipeline.data.samples import Labelled
from pipeline.storage.within import lasting

FEATURES, LARGER_FEATURES = 64, 128


class Classes(nn.Module):
    """[B, C, H, W] in [-1, 1] -> class scores [B, classes]; `features` gives the activations before the last layer."""

    body: nn.Sequential
    head: nn.Linear

    def features(self, images: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, D]."""
        return self.body(images)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images))


class Network(Classes):
    """For images of a few pixels: two convolutions and 64 features."""

    def __init__(self, channels: int, sides: list[int], classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(64 * (sides[0] // 2) * (sides[1] // 2), FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Linear(FEATURES, classes)


class Larger(Classes):
    """For images from 12 pixels up: five normalised convolutions, and the means over the image of 128 features."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        widths = [(channels, 32), (32, 32), (32, 64), (64, 64), (64, LARGER_FEATURES)]
        layers = list[nn.Module]()
        for number, (n_in, n_out) in enumerate(widths):
            layers += [nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if number in (1, 3) else []
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(LARGER_FEATURES, classes)


def fit(
    model: Classes,
    data: Labelled,
    epochs: int,
    batch: int,
    learning_rate: float,
    seed_of: Callable[[int], int],
    decays: bool = False,
) -> Classes:
    """Train on uint8 images [N, C, H, W] and their labels by cross-entropy with Adam; `seed_of(epoch)` seeds an epoch's order.

    Where it `decays` the rate rises and falls on OneCycle's cosine.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    steps = epochs * -(-len(data) // batch)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3 * learning_rate, steps) if decays else None
    generator, seen = torch.Generator(), 0
    with lasting(epochs * len(data)) as within:
        for epoch in range(epochs):
            generator.manual_seed(seed_of(epoch))
            for picked in torch.randperm(len(data), generator=generator).split(batch):
                places = picked.numpy()
                images = decoded(torch.from_numpy(data.values[places]))
                loss = nn.functional.cross_entropy(model(images), torch.from_numpy(data.classes[places]))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if rate is not None:
                    rate.step()
                within.tell(seen := seen + len(places))
    return model.requires_grad_(False).eval()
