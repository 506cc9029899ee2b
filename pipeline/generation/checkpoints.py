"""Checkpoints inside long trainings: a file for each beside the generation, no output of it, gone when that is done."""

import hashlib
import logging
import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from models.diffusion import world
from models.diffusion.training import State
from pipeline.storage.files import write_bytes

log = logging.getLogger("self-consuming")
NAME = "training"


class FileCheckpoint:
    """A training's state in a file that belongs to this very training; another one's, and a damaged one, are not taken up."""

    def __init__(self, path: Path, *belongs: bytes) -> None:
        self.path = path
        self.training = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in belongs)).hexdigest()

    def load(self) -> State | None:
        """The state that was kept last, on the CPU; the one before where that is damaged; None where this training has none."""
        return self._read(self.path) or self._read(self.former)

    @property
    def former(self) -> Path:
        """The file of the state before the last."""
        return self.path.with_suffix(f".former{self.path.suffix}")

    def _read(self, path: Path) -> State | None:
        if not path.exists():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                if (file.metadata() or {}).get(NAME) != self.training:
                    return None
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
        except SafetensorError:
            log.warning("%s is damaged: the training goes on from an earlier state, or starts from its beginning", path)
            return None
        log.warning("%s: the training goes on after %d steps", path, state["step"])
        former, now = int(state["processes"][-1]), world.size()
        if former != now:
            log.warning("%s: it had %d processes, and has %d now: bits may differ from here on", path, former, now)
        return state

    def keep(self, state: State) -> None:
        """Write the state, atomically; the former one is kept back."""
        if self.path.exists():
            os.replace(self.path, self.former)
        write_bytes(self.path, save(state, metadata={NAME: self.training}))


def location(work: Path, purpose: str) -> Path:
    """Where the state of a training is kept, beside the folder that a generation comes into being in."""
    return work.with_name(f"{work.name}-{purpose}.safetensors")


def remove(work: Path) -> None:
    """The generation is done: the states of its trainings, and what a kill left of one, are of no more use."""
    for path in work.parent.glob(f"{location(work, '*').name}*"):
        path.unlink()
