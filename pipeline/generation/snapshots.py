"""Averages that a training keeps, for other lengths later: beside the generation while it trains, then among its files."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from models.diffusion.posthoc_ema import Snapshot, Snapshots, reconstruct
from pipeline.experiment.budgets import Training
from pipeline.experiment.errors import BadInput, RunFailed
from pipeline.generation.checkpoints import location
from pipeline.storage.files import write_bytes
from pipeline.storage.layout import average_name, averages_of


def kept(training: Training, work: Path, purpose: str) -> Snapshots | None:
    """Where a training keeps its averages, if it does: a kill leaves them there, and the training that goes on needs them."""
    if not (every := training.kept_images):
        return None

    def keep(snapshot: Snapshot) -> None:
        name = average_name(purpose, int(snapshot.images), snapshot.sigma_rel)
        write_bytes(_beside(work, name), save(dict(snapshot.weights)))

    return Snapshots(keep, every)


def take(training: Training, work: Path, purpose: str, model: str) -> None:
    """The training has ended: its averages become files of the generation, which are named by the model's."""
    for name in averages_of(purpose, training):
        os.replace(_beside(work, name), work / name.replace(purpose, Path(model).stem, 1))


def read(model: Path) -> list[Snapshot]:
    """The averages beside a model's file, whose weights are read when they are asked for. Raises BadInput without any."""
    found = sorted(model.parent.glob(average_name(model.stem, None, None)))
    if not found:
        raise BadInput(f"{model}: no averages were kept beside it: they are where ema has kept_images in params.yaml")
    told = [path.stem.split("-")[-2:] for path in found]
    return [Snapshot(int(images), float(length), _Weights(path)) for path, (images, length) in zip(found, told)]


def write_average(model: Path, sigma_rel: float, images: float | None, target: Path) -> None:
    """Write a model with the average of another length, made of those beside it. Raises BadInput where that cannot be."""
    try:
        weights = reconstruct(read(model), sigma_rel, images)
    except ValueError as error:
        raise BadInput(f"average: {error}") from None
    write_bytes(target, save(weights))


class _Weights(Mapping[str, Tensor]):
    """The tensors of a safetensors file, read one by one."""

    def __init__(self, path: Path) -> None:
        try:
            self.path, self._file = path, safe_open(path, framework="pt")
        except SafetensorError as error:
            raise RunFailed(f"{path} is no valid weights file: {error}") from None

    def __getitem__(self, name: str) -> Tensor:
        tensor: Tensor = self._file.get_tensor(name)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._file.keys())

    def __len__(self) -> int:
        return len(self._file.keys())


def _beside(work: Path, name: str) -> Path:
    return location(work, Path(name).stem)
