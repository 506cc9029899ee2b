"""Checkpoints inside a long training: one file beside the generation, no output of it, gone when the training is done."""

import hashlib
import logging
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from models.training import State
from pipeline.files import write_bytes

log = logging.getLogger("self-consuming")
NAME = "training"


class FileCheckpoint:
    """A training's state in a file that belongs to this very training; another one's, and a damaged one, are not taken up."""

    def __init__(self, path: Path, *belongs: bytes) -> None:
        self.path = path
        self.training = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in belongs)).hexdigest()

    def load(self) -> State | None:
        """The state that was kept last, on the CPU; None where there is none of this training."""
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                if (file.metadata() or {}).get(NAME) != self.training:
                    return None
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
        except SafetensorError:
            return None
        log.warning("%s: the training goes on after %d steps", self.path, state["step"])
        return state

    def keep(self, state: State) -> None:
        """Write the state, atomically."""
        write_bytes(self.path, save(state, metadata={NAME: self.training}))

    def remove(self) -> None:
        """The training is done: its state is of no more use."""
        self.path.unlink(missing_ok=True)
