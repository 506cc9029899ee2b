"""A small convolutional classifier whose penultimate activations serve as features for FID on small images."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

FEATURES = 64


class Classifier(nn.Module):
    """[B, C, H, W] in [-1, 1] -> class scores [B, classes]; `features` gives the 64 activations before the last layer."""

    def __init__(self, channels: int, side: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(64 * (side // 2) ** 2, FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Linear(FEATURES, classes)

    def features(self, images: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, 64]."""
        return self.body(images)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images))


def fit(
    model: Classifier,
    images: Tensor,
    labels: Tensor,
    epochs: int,
    batch: int,
    learning_rate: float,
    seed_of: Callable[[int], int],
) -> Classifier:
    """Train on images [N, C, H, W] and labels [N] by cross-entropy with Adam; `seed_of(epoch)` seeds each epoch's order."""
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    generator = torch.Generator()
    for epoch in range(epochs):
        generator.manual_seed(seed_of(epoch))
        for picked in torch.randperm(len(images), generator=generator).split(batch):
            loss = nn.functional.cross_entropy(model(images[picked]), labels[picked])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.requires_grad_(False).eval()


@torch.inference_mode()
def accuracy(model: Classifier, images: Tensor, labels: Tensor) -> float:
    """The share of images whose highest score is their label's."""
    return float((model(images).argmax(1) == labels).double().mean())
