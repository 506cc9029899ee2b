"""Features of small images: a classifier trained on the real training split, as the MAD paper does for MNIST.

FID values carry the classifier's hash: values of different classifiers are never compared.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save

from models.classifier import Classifier, accuracy, fit
from pipeline.compute import load_weights
from pipeline.datasets import Array, Images, Labelled, decode
from pipeline.files import write_bytes
from pipeline.seeds import derive

EPOCHS, BATCH, LEARNING_RATE = 15, 64, 1e-3
SEED = 0
"""The classifier belongs to the data, not to an experiment's seeds: every chain is judged by the same one."""


def train_classifier(source: Images) -> Classifier:
    """A classifier of the training split's labels."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(SEED, "classifier-init"))
        model = _untrained(source)

    def seed_of(epoch: int) -> int:
        return derive(SEED, "classifier-batches", epoch)

    return fit(model, *_tensors(source.training), EPOCHS, BATCH, LEARNING_RATE, seed_of)


def held_out_accuracy(model: Classifier, source: Images) -> float:
    """The share of reference images that the classifier labels correctly."""
    return accuracy(model, *_tensors(source.reference))


def save_classifier(model: Classifier, path: Path) -> None:
    """Write the weights as safetensors, atomically."""
    write_bytes(path, save(model.state_dict()))


def load_classifier(path: Path, source: Images) -> Classifier:
    """Read the weights of a classifier for the dataset."""
    model = _untrained(source)
    load_weights(path, model)
    return model.requires_grad_(False).eval()


@torch.inference_mode()
def features(model: Classifier, images: Array) -> NDArray[np.float32]:
    """uint8 images [N, C, H, W] -> the classifier's penultimate activations [N, 64]."""
    return model.features(torch.from_numpy(decode(images))).numpy()


@torch.inference_mode()
def labels(model: Classifier, images: Array) -> NDArray[np.int64]:
    """uint8 images [N, C, H, W] -> the class that the classifier holds likeliest, [N]."""
    return model(torch.from_numpy(decode(images))).argmax(1).numpy()


@torch.inference_mode()
def classes(model: Classifier, activations: NDArray[np.float32]) -> NDArray[np.int64]:
    """The class [N] that the classifier holds likeliest, of the activations [N, 64] that `features` gives."""
    return model.head(torch.from_numpy(activations)).argmax(1).numpy()


def extractor_name(path: Path) -> str:
    """The name that FID values carry: the kind, and a hash of the weights."""
    return f"classifier-{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"


def _tensors(part: Labelled) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(decode(part.images)), torch.from_numpy(part.labels)


def _untrained(source: Images) -> Classifier:
    _, channels, side, _ = source.training.images.shape
    return Classifier(channels, side, int(source.training.labels.max()) + 1)
