"""What a training sees: samples taken by index, and the network's inputs and targets that are made of them."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from models.diffusion.augmentation import augment
from models.diffusion.budget import Budget
from models.diffusion.denoiser import Conditions, log_normal, regression

SeedOf = Callable[[str, int], int]
"""(stream, index) -> 64-bit seed.

Streams are "batches" (index: epoch), "noise", "flips", "augmentation" (index: chunk), "network" (index: step).
"""
CHUNK_STEPS = 64
"""Batches are prepared so many steps at a time ..."""
CHUNK_VALUES = 2**22
"""... but no more values at once than this, so that memory stays small."""


class Examples(Protocol):
    """Samples to train on, wherever they lie.

    Attributes:
        shape: of a sample.
        device: where they are given.
        classes: how many there are; 0 where the network is to know of none.
        flip: whether half of the images are mirrored, each time they are seen.
    """

    shape: tuple[int, ...]
    device: torch.device
    classes: int
    flip: bool

    def __len__(self) -> int: ...

    def take(self, picked: Tensor) -> tuple[Tensor, Tensor | None]:
        """float32 samples [B, ...], images in [-1, 1], at places [B], and their classes [B], on the device."""


class Held:
    """Examples that lie on the device: float32 points or uint8 images [N, ...], with classes [N]."""

    def __init__(self, values: Tensor, labels: Tensor | None = None, classes: int = 0, flip: bool = False) -> None:
        self.values, self.labels, self.classes, self.flip = values, labels, classes, flip
        self.shape, self.device = tuple(values.shape[1:]), values.device

    def __len__(self) -> int:
        return len(self.values)

    def take(self, picked: Tensor) -> tuple[Tensor, Tensor | None]:
        """As `Examples.take`."""
        return decoded(self.values[picked]), self.labels[picked] if self.labels is not None and self.classes else None


class Batch(NamedTuple):
    """A step's inputs [B, ...], c_noise [B], targets [B, ...], and what else the network is told."""

    x: Tensor
    c_noise: Tensor
    target: Tensor
    conditions: Conditions

    def split(self, size: int) -> "list[Batch]":
        """Parts of `size` samples each, the last maybe smaller."""
        parts = zip(self.x.split(size), self.c_noise.split(size), self.target.split(size))
        told = [dict(zip(self.conditions, row)) for row in zip(*(value.split(size) for value in self.conditions.values()))]
        return [Batch(*part, conditions) for part, conditions in zip(parts, told or [{}] * -(-len(self.x) // size))]


def decoded(values: Tensor) -> Tensor:
    """What models work on: points as they are, uint8 images scaled to [-1, 1]."""
    if values.dtype != torch.uint8:
        return values
    return values.float() / torch.full((), 127.5, device=values.device) - 1  # by a plain number, GPUs would multiply


def chunk_steps(shape: tuple[int, ...], batch: int) -> int:
    """How many steps' batches are prepared at a time: a power of 2."""
    most = CHUNK_VALUES // (batch * max(1, torch.Size(shape).numel()))
    return 2 ** (max(1, min(CHUNK_STEPS, most)).bit_length() - 1)


def batches(examples: Examples, budget: Budget, sigma_data: float, seed_of: SeedOf, start: int = 0) -> Iterator[Batch]:
    """The batch of each step, from `start` on (a multiple of `chunk_steps`, or the end).

    Every epoch is a permutation of its own; what a step gets is a function of its number, the budget and the seeds alone.
    """
    chunk, device = chunk_steps(examples.shape, budget.batch), examples.device
    generator = torch.Generator(device)
    order = torch.empty(0, dtype=torch.int64, device=device)
    epoch = 0
    for index, first in enumerate(range(0, budget.steps, chunk)):
        size = min(chunk, budget.steps - first) * budget.batch
        while len(order) < size:
            generator.manual_seed(seed_of("batches", epoch))
            order = torch.cat([order, torch.randperm(len(examples), generator=generator, device=device)])
            epoch += 1
        picked, order = order[:size], order[size:]
        if first < start:
            continue
        y, conditions = _shown(examples, picked, budget, generator, seed_of, index)
        generator.manual_seed(seed_of("noise", index))
        sigma = log_normal(generator, (size,), budget.p_mean, budget.p_std)
        noise = torch.randn(y.shape, generator=generator, device=device)
        yield from Batch(*regression(y, noise, sigma, sigma_data), conditions).split(budget.batch)


def _shown(
    examples: Examples, picked: Tensor, budget: Budget, generator: torch.Generator, seed_of: SeedOf, index: int
) -> tuple[Tensor, Conditions]:
    """The clean samples of a chunk, flipped and augmented, and what the network is told of them."""
    y, labels = examples.take(picked)
    conditions = {} if labels is None else {"class_labels": torch.eye(examples.classes, device=labels.device)[labels]}
    if examples.flip:
        generator.manual_seed(seed_of("flips", index))
        mirrored = torch.rand(len(y), generator=generator, device=y.device) < 0.5
        y = torch.where(mirrored.view(-1, *[1] * (y.ndim - 1)), y.flip(-1), y)
    if budget.augmentation:
        generator.manual_seed(seed_of("augmentation", index))
        y, conditions["augment_labels"] = augment(y, budget.augmentation, generator)
    return y, conditions
