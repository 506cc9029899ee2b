"""Chains as processes of this machine, each with a GPU of its own where there are any."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any, cast

from prefect.task_runners import ProcessPoolTaskRunner

from flows.forking import preload, start_method
from flows.processes import end_with_parent
from pipeline.machine import device_pool
from pipeline.params import Params


class Slots(Executor):
    """Pools of one worker each: where a worker dies, its own task fails and no other, and a new worker takes its place."""

    def __init__(self, size: int, begin: Callable[[int], ProcessPoolExecutor]) -> None:
        self._begin = begin
        self._pools = [begin(slot) for slot in range(size)]
        self._free: SimpleQueue[int] = SimpleQueue()
        for slot in range(size):
            self._free.put(slot)

    def submit(self, task: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future[Any]:
        """Hand a task to a worker that has none; waits for one."""
        slot = self._free.get()
        try:
            try:
                future = self._pools[slot].submit(task, *arguments, **keywords)
            except BrokenProcessPool:  # not renewed where its task ended: the broken pool still holds its own lock there
                self._pools[slot].shutdown(wait=False)
                self._pools[slot] = self._begin(slot)
                future = self._pools[slot].submit(task, *arguments, **keywords)
        except BaseException:
            self._free.put(slot)
            raise
        future.add_done_callback(lambda _: self._free.put(slot))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End all workers."""
        for pool in self._pools:
            pool.shutdown(wait, cancel_futures=cancel_futures)


class Workers(ProcessPoolTaskRunner):
    """Prefect's process pool, with our workers in it."""

    method = "spawn"
    devices: tuple[str, ...] = ()

    def __enter__(self) -> "Workers":
        super().__enter__()
        theirs = self._executor
        assert theirs is not None  # it starts processes only when something is submitted
        queue: Any = theirs._initargs[0]

        def begin(slot: int) -> ProcessPoolExecutor:
            device = self.devices[slot % len(self.devices)] if self.devices else None
            context = multiprocessing.get_context(self.method)
            begun: Any = queue, begin_worker, (device,)
            return ProcessPoolExecutor(1, context, theirs._initializer, begun)

        self._executor = cast(ProcessPoolExecutor, Slots(self._max_workers, begin))
        return self


@contextmanager
def process_pool(root: Path, params: Params, size: int) -> Iterator[ProcessPoolTaskRunner]:
    """So many worker processes.

    They are killed when the block is left by an error or a signal: the pool would wait for the end of their chains.
    A generation is a transaction, so nothing valid is lost.
    """
    preload(params)
    pool = Workers(size)
    pool.method, pool.devices = start_method(params), tuple(device_pool(params))
    with pool as runner:
        try:
            yield runner
        except BaseException:
            for worker in multiprocessing.active_children():
                worker.kill()
            raise


def begin_worker(device: str | None) -> None:
    """Prepare a worker process: it ends with its parent and sees its own GPU alone. Ctrl-C is for the parent."""
    if device is not None:  # said before it has looked for any
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
