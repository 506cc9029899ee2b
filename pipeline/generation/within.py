"""How far a long step is: a small file beside the chain, read by whoever watches; no output of anything."""

import time
from pathlib import Path

from pipeline.storage.files import write_json
from pipeline.storage.layout import WITHIN

PATIENCE_SECONDS = 3.0
"""A step that is done by then says nothing."""
EVERY_SECONDS = 1.0


class Within:
    """Progress within one training or drawing, in images."""

    def __init__(self, folder: Path, generation: int, step: str, total: int) -> None:
        self._path = folder / WITHIN
        self._said, self._total = {"generation": generation, "step": step, "total": total}, total
        self._began = time.monotonic()
        self._last = self._began + PATIENCE_SECONDS - EVERY_SECONDS
        self._first: tuple[float, int] | None = None

    def tell(self, done: int, loss: float | None = None) -> None:
        """So many images are seen or drawn; the rate counts from the first report, since a step's start is slow."""
        now = time.monotonic()
        if self._first is None:
            self._first = now, done
        if now - self._last < EVERY_SECONDS:
            return
        self._last = now
        began, before = self._first if done > self._first[1] else (self._began, 0)
        rate = (done - before) / max(now - began, 1e-9)
        left = (self._total - done) / rate if rate else None
        told = {"done": done, "images_per_second": rate, "seconds_left": left, "loss": loss}
        write_json(self._path, self._said | told)

    def end(self) -> None:
        """The step is done."""
        self._path.unlink(missing_ok=True)
