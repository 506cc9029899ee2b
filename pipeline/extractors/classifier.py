"""Features of images: a classifier trained on the real training split, as the MAD paper does for MNIST."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.data.finite import Finite
from pipeline.data.samples import Array
from pipeline.data.truth import Points
from pipeline.distance.blocks import featured, in_blocks
from pipeline.distance.extractor import Extractor
from pipeline.experiment.kinds import EXTRACTORS
from pipeline.experiment.sections import ExtractorSettings
from pipeline.experiment.seeds import derive
from pipeline.storage.files import write_bytes

if TYPE_CHECKING:
    from pipeline.classifier.networks import Classes

WEIGHTS = "classifier.safetensors"
SEED = 0
"""The classifier belongs to the data, not to an experiment's seeds: every chain is judged by the same one."""
SMALL = 12
"""Images whose sides are shorter get the small network."""
EPOCHS, IMAGES = 15, 240_000
"""How long the small and the larger network are trained."""
BATCH, LEARNING_RATE, BLOCK = 64, 1e-3, 2000


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
        import torch

        from pipeline.classifier.networks import Larger, Network

        self.finite = source
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(SEED, "classifier-init"))
            _, channels, *sides = source.training.values.shape
            classes = int(source.training.classes.max()) + 1
            self.is_small = min(sides) < SMALL
            self.network: Classes = Network(channels, sides, classes) if self.is_small else Larger(channels, classes)

    def fit(self, folder: Path) -> None:
        """Train it and write its weights."""
        from pipeline.classifier.networks import fit
        from pipeline.storage.weights import weights

        def seed_of(epoch: int) -> int:
            return derive(SEED, "classifier-batches", epoch)

        training = self.finite.training
        epochs = EPOCHS if self.is_small else max(1, round(IMAGES / len(training)))
        fit(self.network, training, epochs, BATCH, LEARNING_RATE, seed_of, decays=not self.is_small)
        write_bytes(folder / WEIGHTS, weights(self.network))

    def load(self, folder: Path) -> None:
        """Read its weights."""
        from pipeline.storage.weights import load_weights

        load_weights(folder / WEIGHTS, self.network)
        self.network.requires_grad_(False).eval()

    def features(self, samples: Array) -> NDArray[np.generic]:
        """uint8 images [N, C, H, W] -> the penultimate activations [N, D]."""
        return featured(samples, BLOCK, self._block)

    def _block(self, images: Array) -> NDArray[np.float32]:
        import torch

        from models.diffusion.examples import decoded

        with torch.inference_mode():
            found: NDArray[np.float32] = self.network.features(decoded(torch.from_numpy(images))).numpy()
        return found

    def classes(self, features: NDArray[np.generic]) -> NDArray[np.int64]:
        """The class [N] that it holds likeliest, of activations [N, D]."""
        import torch

        with torch.inference_mode():
            return self.network.head(torch.from_numpy(features)).argmax(1).numpy()

    def facts(self) -> dict[str, float]:
        """The share of reference images that it labels correctly."""
        reference = self.finite.reference
        guessed = np.concatenate([self.classes(self._block(block)) for block in in_blocks(reference.values, BLOCK)])
        return {"classifier_accuracy": float((guessed == reference.classes).mean())}
