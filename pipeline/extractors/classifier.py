"""Features of small images: a classifier trained on the real training split, as the MAD paper does for MNIST."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.data.finite import Finite
from pipeline.data.samples import Array, Labelled, decode
from pipeline.data.truth import Points
from pipeline.distance.extractor import Extractor
from pipeline.experiment.kinds import EXTRACTORS
from pipeline.experiment.sections import ExtractorSettings
from pipeline.experiment.seeds import derive
from pipeline.storage.files import write_bytes
from pipeline.storage.weights import load_weights, weights

WEIGHTS = "classifier.safetensors"
EPOCHS, BATCH, LEARNING_RATE = 15, 64, 1e-3
SEED = 0
"""The classifier belongs to the data, not to an experiment's seeds: every chain is judged by the same one."""
FEATURES = 64


class Network(nn.Module):
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


class Settings(ExtractorSettings):
    """It has none."""

    needs_labels: ClassVar[bool] = True


@EXTRACTORS.register("classifier", Settings)
class Classifier(Extractor):
    """The 64 activations before the last layer of a classifier of the training split's labels."""

    files = (WEIGHTS,)

    def __init__(self, settings: Any, source: Points | Finite) -> None:
        super().__init__(settings, source)
        if not isinstance(source, Finite):
            raise TypeError("the classifier needs a finite set of labelled images")
        self.finite = source
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(SEED, "classifier-init"))
            _, channels, side, _ = source.training.values.shape
            self.network = Network(channels, side, int(source.training.classes.max()) + 1)

    def fit(self, folder: Path) -> None:
        """Train it and write its weights."""

        def seed_of(epoch: int) -> int:
            return derive(SEED, "classifier-batches", epoch)

        fit(self.network, *_tensors(self.finite.training), EPOCHS, BATCH, LEARNING_RATE, seed_of)
        write_bytes(folder / WEIGHTS, weights(self.network))

    def load(self, folder: Path) -> None:
        """Read its weights."""
        load_weights(folder / WEIGHTS, self.network)
        self.network.requires_grad_(False).eval()

    @torch.inference_mode()
    def features(self, samples: Array) -> NDArray[np.generic]:
        """uint8 images [N, C, H, W] -> the penultimate activations [N, 64]."""
        return self.network.features(torch.from_numpy(decode(samples))).numpy()

    @torch.inference_mode()
    def classes(self, features: NDArray[np.generic]) -> NDArray[np.int64]:
        """The class [N] that it holds likeliest, of activations [N, 64]."""
        return self.network.head(torch.from_numpy(features)).argmax(1).numpy()

    @torch.inference_mode()
    def facts(self) -> dict[str, float]:
        """The share of reference images that it labels correctly."""
        images, labels = _tensors(self.finite.reference)
        return {"classifier_accuracy": float((self.network(images).argmax(1) == labels).double().mean())}


def fit(
    model: Network,
    images: Tensor,
    labels: Tensor,
    epochs: int,
    batch: int,
    learning_rate: float,
    seed_of: Callable[[int], int],
) -> Network:
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


def _tensors(part: Labelled) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(decode(part.values)), torch.from_numpy(part.classes)
