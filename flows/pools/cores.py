"""Cores of their own for the chains that decide when a run ends: everything else keeps off them. Linux only.

What looks on computes little but often, and takes it from whoever computes where it wakes up.
"""

import os
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress

from pipeline.experiment.params import Params

ALL_THREADS = "/proc/{}/task"
SHORT_SECONDS = 10.0
"""A run as short as this is mostly what looks on: nothing is placed before."""


class Cores:
    """The cores that this process was given, and which processes compute on which of them.

    `places` is how many chains run at once. With `threads: auto` all processes keep all cores, since each asks how many it has.
    """

    def __init__(self, params: Params, places: int) -> None:
        self.all = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset[int]()
        self.places, self.threads = places, 0 if params.engine.threads == "auto" else params.engine.threads
        self.placed: set[int] = set()
        self._begins = time.monotonic() + SHORT_SECONDS

    def others(self, deciding: int) -> frozenset[int]:
        """The cores beside those of so many deciding chains: all, where these fill all places or the cores do not suffice."""
        fit = deciding < self.places and self.places * self.threads <= len(self.all)
        return self.all - frozenset(sorted(self.all)[: deciding * self.threads]) if fit else self.all

    def place(self, deciding: Collection[int | None], others: Iterable[int]) -> None:
        """Let processes of deciding chains (None is one that has not begun) compute anywhere, and others beside them."""
        if time.monotonic() < self._begins:
            return
        first = {process for process in deciding if process is not None}
        rest = set(others) - first
        for process in first:
            _confine(process, self.all)
        for process in rest:
            _confine(process, self.others(len(deciding)))
        self.placed |= first | rest

    def free(self) -> None:
        """Let all that were placed compute anywhere again."""
        for process in self.placed:
            _confine(process, self.all)


@contextmanager
def placed(params: Params, places: int) -> Iterator[Cores]:
    """Cores for a block; afterwards every process computes anywhere again."""
    cores = Cores(params, places)
    try:
        yield cores
    finally:
        cores.free()


def _confine(process: int, cores: frozenset[int]) -> None:
    """Let all threads of a process, and what they start, compute on these cores alone."""
    with suppress(OSError):  # it has ended
        for thread in map(int, os.listdir(ALL_THREADS.format(process))):
            if os.sched_getaffinity(thread) != cores:
                os.sched_setaffinity(thread, cores)
