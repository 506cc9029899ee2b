"""Notes how long every step takes, in untracked files: times are no results, they stay out of DVC. Imports nothing heavy."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from pipeline.storage.layout import TIMINGS


def process_start() -> float:
    """When this process began, in seconds since the epoch: its imports count too."""
    return psutil.Process().create_time()


@contextmanager
def timed(folder: Path, step: str, **where: int) -> Iterator[None]:
    """Note how long the block took."""
    began, started = time.time(), time.perf_counter()
    yield
    note(folder, step, began, time.perf_counter() - started, **where)


def note(folder: Path, step: str, began: float, seconds: float, **where: int) -> None:
    """Append a step's start (seconds since the epoch), duration and process to the folder's timings."""
    row = {"step": step, **where, "seconds": round(seconds, 4), "began": round(began, 3), "pid": os.getpid()}
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / TIMINGS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
