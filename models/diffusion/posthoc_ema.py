"""Averages of any length, after training, from a few that were kept (Karras et al. 2024, arXiv 2312.02696, section 3.2).

Two power-function averages (`models.diffusion.power_function`) are kept at intervals. The profile that is wanted is a linear
combination of theirs, as near as least squares can make it, and so are its weights.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from models.diffusion.power_function import KEPT, gamma_of, is_due, norm, overlap


class Snapshot(NamedTuple):
    """An average as it was at a time of training.

    Attributes:
        images: seen until then.
        sigma_rel: the average's length.
        weights: tensors by name; a mapping that reads them one by one keeps memory small.
    """

    images: float
    sigma_rel: float
    weights: Mapping[str, Tensor]


@dataclass(frozen=True)
class Snapshots:
    """Which averages a training keeps, and where: `keep` is called whenever `every` more images have been seen, and at the end.

    A training that goes on from a checkpoint may keep a snapshot again, with the same bits.
    """

    keep: Callable[[Snapshot], None]
    every: int
    sigma_rels: tuple[float, ...] = KEPT

    def are_due(self, step: int, batch: int, steps: int) -> bool:
        """Whether snapshots are kept after a step, counted from 0, of so many."""
        return is_due(step, batch, steps, self.every)


def coefficients(kept: Sequence[tuple[float, float]], images: float, sigma_rel: float) -> list[float]:
    """The factors, of sum 1, that combine averages of (images, sigma_rel) into that of a length at `images`.

    Raises ValueError where none was kept, or the same average twice.
    """
    if not kept:
        raise ValueError(f"no average was kept until {images:g} images")
    if len(set(kept)) != len(kept):
        raise ValueError(f"the averages must differ from each other, got {sorted(kept)}")
    profiles, wanted = [(t, gamma_of(length)) for t, length in kept], (images, gamma_of(sigma_rel))
    gram = torch.tensor([[overlap(*a, *b) for b in profiles] for a in profiles], dtype=torch.float64)
    towards = torch.tensor([overlap(*each, *wanted) for each in profiles], dtype=torch.float64)
    norms = torch.tensor([norm(*each) for each in profiles], dtype=torch.float64)
    factors = torch.linalg.solve(gram, towards) * norm(*wanted) / norms
    return [float(each) for each in factors / factors.sum()]


def reconstruct(snapshots: Iterable[Snapshot], sigma_rel: float, images: float | None = None) -> dict[str, Tensor]:
    """The weights' average of a length after so many images (None: at the last snapshot), as float32.

    Snapshots of later times are left out. What is not a floating-point number is as in the last one. Raises ValueError where no
    snapshot is early enough, or the length is not one.
    """
    whole = list(snapshots)
    end = max((each.images for each in whole), default=0.0) if images is None else images
    early = sorted((each for each in whole if each.images <= end), key=lambda each: each.images)
    factors = coefficients([(each.images, each.sigma_rel) for each in early], end, sigma_rel)
    last = early[-1].weights

    def combined(name: str) -> Tensor:
        total = torch.zeros_like(last[name], dtype=torch.float64)
        for factor, each in zip(factors, early):
            total.add_(each.weights[name], alpha=factor)
        return total.float()

    return {name: combined(name) if last[name].is_floating_point() else last[name].clone() for name in last}
