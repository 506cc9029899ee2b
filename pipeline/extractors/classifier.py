"""Features of images: a classifier trained on the real training split, as the MAD paper does for MNIST."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.diffusion.examples import decoded
from pipeline.data.finite import Finite
from pipeline.data.samples import Array, Labelled
from pipeline.data.truth import Points
from pipeline.distance.blocks import featured, in_blocks
from pipeline.distance.extractor import Extractor
from pipeline.experiment.kinds import EXTRACTORS
from pipeline.experiment.sections import ExtractorSettings
from pipeline.experiment.seeds import derive
from pipeline.storage.files import write_bytes
from pipeline.storage.weights import load_weights, weights
from pipeline.storage.within import lasting

WEIGHTS = "classifier.safetensors"
SEED = 0
"""The classifier belongs to the data, not to an experiment's seeds: every chain is judged by the same one."""
SMALL = 12
"""Images whose sides are shorter get the small network."""
EPOCHS, IMAGES = 15, 240_000
"""How long the small and the larger network are trained."""
BATCH, LEARNING_RATE, BLOCK = 64, 1e-3, 2000
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


class Settings(ExtractorSettings):
    """It has none."""

    needs_labels: ClassVar[bool] = True
    knows_classes: ClassVar[bool] = True


@EXTRACTORS.register("classifier", Settings)
class Classifier(Extractor):
    """The activations before the last layer of a classifier of the training split's labels: 64, or 128 from 12 pixels up."""

    files = (WEIGHTS,)

    def __init__(self, settings: Any, source: Points | Finite) -> None:
        super().__init__(settings, source)
        if not isinstance(source, Finite):
            raise TypeError("the classifier needs a finite set of labelled images")
        self.finite = source
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(SEED, "classifier-init"))
            _, channels, *sides = source.training.values.shape
            classes = int(source.training.classes.max()) + 1
            self.is_small = min(sides) < SMALL
            self.network: Classes = Network(channels, sides, classes) if self.is_small else Larger(channels, classes)

    def fit(self, folder: Path) -> None:
        """Train it and write its weights."""

        def seed_of(epoch: int) -> int:
            return derive(SEED, "classifier-batches", epoch)

        training = self.finite.training
        epochs = EPOCHS if self.is_small else max(1, round(IMAGES / len(training)))
        fit(self.network, training, epochs, BATCH, LEARNING_RATE, seed_of, decays=not self.is_small)
        write_bytes(folder / WEIGHTS, weights(self.network))

    def load(self, folder: Path) -> None:
        """Read its weights."""
        load_weights(folder / WEIGHTS, self.network)
        self.network.requires_grad_(False).eval()

    def features(self, samples: Array) -> NDArray[np.generic]:
        """uint8 images [N, C, H, W] -> the penultimate activations [N, D]."""
        return featured(samples, BLOCK, self._block)

    @torch.inference_mode()
    def _block(self, images: Array) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self.network.features(decoded(torch.from_numpy(images))).numpy()
        return found

    @torch.inference_mode()
    def classes(self, features: NDArray[np.generic]) -> NDArray[np.int64]:
        """The class [N] that it holds likeliest, of activations [N, D]."""
        return self.network.head(torch.from_numpy(features)).argmax(1).numpy()

    @torch.inference_mode()
    def facts(self) -> dict[str, float]:
        """The share of reference images that it labels correctly."""
        reference = self.finite.reference
        guessed = np.concatenate([self.classes(self._block(block)) for block in in_blocks(reference.values, BLOCK)])
        return {"classifier_accuracy": float((guessed == reference.classes).mean())}


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
