"""Where everything lies, and how files get there: a chain's folders, and writes that either happen or don't."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.datasets import Array

PARAMS = "params.yaml"
PRESETS = "presets"
RECIPE = "dvc.yaml"
LOCK = "dvc.lock"
BASE = "base.safetensors"
AUXILIARY = "auxiliary.safetensors"
SYNTHETIC = "synthetic.npy"
DRAWN = "drawn.npy"
METRICS = "metrics.json"
GRID = "samples.png"
TIMINGS = "timings.jsonl"


@dataclass(frozen=True, order=True)
class Chain:
    """One arm with one seed."""

    arm: str
    seed: int

    def __str__(self) -> str:
        return f"{self.arm}/seed{self.seed}"


@dataclass(frozen=True)
class Layout:
    """The paths of one experiment, relative to the project's root (every command runs there)."""

    experiment: str

    @property
    def runs(self) -> Path:
        """Everything the experiment makes."""
        return Path("runs") / self.experiment

    @property
    def reports(self) -> Path:
        """What people look at."""
        return Path("reports") / self.experiment

    @property
    def data(self) -> Path:
        """The real data and what judges samples."""
        return self.runs / "data"

    def real(self, seed: int) -> Path:
        """The real training set of a seed."""
        return self.data / f"real-seed{seed}.npy"

    @property
    def facts(self) -> Path:
        """The floor and what else is known of the data."""
        return self.data / "data.json"

    @property
    def extractor(self) -> Path:
        """The classifier whose features images are judged by."""
        return self.data / "extractor.safetensors"

    @property
    def reference(self) -> Path:
        """The held-out images that samples are compared with."""
        return self.data / "reference.npy"

    def base(self, seed: int) -> Path:
        """The folder of generation 1's base model, shared by all arms."""
        return self.runs / "base" / f"seed{seed}"

    def chain(self, chain: Chain) -> Path:
        """A chain's folder."""
        return self.runs / chain.arm / f"seed{chain.seed}"

    def generation(self, chain: Chain, generation: int) -> Path:
        """A generation's folder; never a bare number (YAML 1.2 reads 008 as 8)."""
        return self.chain(chain) / f"g{generation:03d}"


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` to work in; when the block ends well, its files replace those that were there.

    A crash leaves the old files, or a mixture that DVC recognises by its hashes and recomputes. Recipe and lock stay.
    """
    work = folder.with_name(folder.name + ".partial")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    yield work
    folder.mkdir(parents=True, exist_ok=True)
    made = sorted(file.name for file in work.iterdir())
    for name in made:
        os.replace(work / name, folder / name)
    for old in folder.iterdir():
        if old.name not in (RECIPE, LOCK, *made):
            old.unlink()
    _sync(folder)
    work.rmdir()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically: temporary name, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def write_text(path: Path, content: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> None:
    """Write JSON with sorted keys, atomically; not-a-number is refused."""
    write_text(path, json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_array(path: Path, array: Array) -> None:
    """Write an array as .npy, atomically and without pickles."""
    from io import BytesIO

    buffer = BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    write_bytes(path, buffer.getvalue())


def read_array(path: Path) -> Array:
    """Read an .npy array; a file that would need a pickle is refused."""
    array: Array = np.load(path, allow_pickle=False)
    return array


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
