"""What a long point keeps while it is made: numbers and weights that it need not compute again after a kill, and their times.

They lie beside the study's points, in no version: nothing that is reported depends on whether they are there, but the seconds
that a page shows.
"""

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save

import models
import pipeline
from models.diffusion.training import State
from pipeline.experiment.errors import RunFailed
from pipeline.experiment.machine import environment
from pipeline.experiment.params import Params
from pipeline.storage.files import read_json, write_bytes, write_json

NOTES = "notes.json"


@dataclass(frozen=True)
class Kept:
    """A point's folder (none: nothing is kept), and what its content belongs to: another's is forgotten."""

    folder: Path | None
    belongs: str = ""

    def measured(self, name: str, make: Callable[[], float | None]) -> float | None:
        """A number that was measured before, or that is measured now; None is one, too."""
        if name not in (known := self._notes()):
            began = time.perf_counter()
            value = make()
            self._note(known | {name: {"value": value, "seconds": time.perf_counter() - began}})
            return value
        found: float | None = known[name]["value"]
        return found

    def weights(self, names: list[str], make: Callable[[], tuple[list[State], list[float]]]) -> list[State]:
        """The weights that were kept under these names, or those that are made now, with the seconds that each took."""
        if self.folder and all(name in self._notes() for name in names):
            with suppress(OSError, SafetensorError):
                return [load_file(self.folder / f"{name}.safetensors") for name in names]
        states, seconds = make()
        if self.folder:
            for name, state in zip(names, states):
                write_bytes(self.folder / f"{name}.safetensors", save(state))
        self._note(self._notes() | {name: {"value": None, "seconds": each} for name, each in zip(names, seconds)})
        return states

    def done(self) -> None:
        """The point is made: its weights are of no more use. Numbers and times stay."""
        for path in self.folder.glob("*.safetensors") if self.folder else ():
            path.unlink()

    def _notes(self) -> dict[str, Any]:
        if self.folder is None or not (self.folder / NOTES).exists():
            return {}
        with suppress(RunFailed):
            found = read_json(self.folder / NOTES)
            return dict(found["notes"]) if found["belongs"] == self.belongs else {}
        return {}

    def _note(self, notes: dict[str, Any]) -> None:
        if self.folder:
            write_json(self.folder / NOTES, {"belongs": self.belongs, "notes": notes})


def belonging(params: Params, *files: Path) -> str:
    """What numbers depend on beside their names: params, files that were made of them, machine and code."""
    code = [path for room in (models, pipeline) for path in sorted(Path(str(room.__file__)).parent.rglob("*.py"))]
    parts = [params.model_dump_json().encode(), repr(environment(params)).encode()]
    parts += [path.read_bytes() for path in (*files, *code)]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def seconds_of(folder: Path) -> dict[str, float]:
    """How long each number and training took, by its name; of a folder that is not there, nothing."""
    if not (folder / NOTES).exists():
        return {}
    return {name: float(note["seconds"]) for name, note in read_json(folder / NOTES)["notes"].items()}
