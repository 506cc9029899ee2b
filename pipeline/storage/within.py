"""How far a long step is: a small file beside the folder that it works in, read by whoever watches; no output of anything.

Its writer never waits for the disk, and a full one stops nothing. What a killed process has left there is not believed.
"""

import json
import os
import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

PATIENCE_SECONDS = 3.0
"""A step that is done by then says nothing."""
EVERY_SECONDS = 1.0
WINDOW_SECONDS = 30.0
"""The rate is that of the last so many seconds."""
ABROAD_SECONDS = 120.0
"""How old what a process of another machine says may be: nobody here can see whether it lives."""
SUFFIX = ".within.json"


@dataclass(frozen=True)
class Told:
    """How far a training, a drawing or a judging is.

    Attributes:
        generation: which one is being made.
        step: what is being done for it.
        done: images seen, drawn or judged.
        total: how many it will be.
        seconds: how long it has lasted.
        images_per_second: of the last WINDOW_SECONDS; None at first.
        loss: of the last training steps; None in anything else.
        process: who says so, and on which `host`.
    """

    generation: int
    step: str
    done: int
    total: int
    seconds: float
    images_per_second: float | None
    loss: float | None
    process: int
    host: str

    @property
    def share(self) -> float:
        """How much of it is done, from 0 to 1."""
        return self.done / self.total if self.total else 1.0

    @property
    def seconds_left(self) -> float | None:
        """How long it will last, as fast as it goes now; None where that is not known."""
        return (self.total - self.done) / self.images_per_second if self.images_per_second else None

    def lives(self, when: float) -> bool:
        """Whether the process that said so, so many seconds after the epoch, is still there."""
        if self.host != socket.gethostname():
            return time.time() - when < ABROAD_SECONDS
        try:
            process = psutil.Process(self.process)
            return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= when  # numbers are given again
        except psutil.Error:
            return False


class Within:
    """Progress within one step, in images, told while the block lasts.

    `work` is the folder that it works in, None where nobody looks.
    """

    def __init__(self, work: Path | None, generation: int, step: str, total: int) -> None:
        self._path, self._generation, self._step, self._total = work and place(work), generation, step, total
        self._began = time.monotonic()
        self._last = self._began + PATIENCE_SECONDS - EVERY_SECONDS
        self._seen: deque[tuple[float, int]] = deque()

    def __enter__(self) -> "Within":
        self._clear()
        return self

    def __exit__(self, *error: object) -> None:
        self._clear()

    def tell(self, done: int, loss: float | None = None) -> None:
        """So many images are done. The rate counts from the first report: a step's start is slow, or was long ago."""
        if not self._path:
            return
        now = time.monotonic()
        if not self._seen:
            self._seen.append((now, done))
        if now - self._last < EVERY_SECONDS:
            return
        self._last = now
        while len(self._seen) > 1 and now - self._seen[1][0] >= WINDOW_SECONDS:
            self._seen.popleft()
        since, before = self._seen[0]
        rate = (done - before) / (now - since) if done > before else None
        self._seen.append((now, done))
        _write(self._path, Told(self._generation, self._step, done, self._total, now - self._began, rate, loss, *_here()))

    def _clear(self) -> None:
        if self._path:
            with suppress(OSError):  # none there, or a disk that is only read
                self._path.unlink()


_present: ContextVar[tuple[Path | None, int, str]] = ContextVar("present", default=(None, 0, ""))


@contextmanager
def at_work(folder: Path, step: str, generation: int = 1) -> Iterator[None]:
    """While the block lasts, `lasting` tells of this step of what is made in the folder."""
    token = _present.set((folder, generation, step))
    try:
        yield
    finally:
        _present.reset(token)


def lasting(total: int) -> Within:
    """Progress within the step that this context is at work on, if it is at work on any."""
    return Within(*_present.get(), total)


def place(folder: Path) -> Path:
    """The file of what is made in a folder, before and after it has its last name: beside it, since it is no part of it."""
    return folder.with_suffix(SUFFIX)


def told(folder: Path) -> Told | None:
    """How far the long step is that makes a folder; None where there is none, or its process is gone."""
    path = place(folder)
    try:
        when, found = path.stat().st_mtime, Told(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # none, or one of another version of the program
        return None
    return found if found.lives(when) else None


def _here() -> tuple[int, str]:
    return os.getpid(), socket.gethostname()


def _write(path: Path, told: Told) -> None:
    """Put the file in its place at once, without waiting for the disk: after a crash nobody wants it."""
    half = path.with_suffix(".partial")
    try:
        half.write_text(json.dumps(asdict(told)), encoding="utf-8")
        os.replace(half, path)
    except OSError:
        with suppress(OSError):
            half.unlink()
