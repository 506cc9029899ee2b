"""Chains as processes of this machine, each with a GPU of its own where there are any."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Semaphore, local
from typing import Any, cast

from prefect.task_runners import ProcessPoolTaskRunner

from flows.pools.forking import preload, start_method
from flows.pools.mailboxes import Mailboxes
from flows.processes import end_with_parent
from pipeline.experiment.machine import device_pool
from pipeline.experiment.params import Params

HANDING_OVER_SECONDS = 60.0
"""How long Prefect may take to put a task into the queue before the next one follows all the same."""


class Slots(ThreadPoolExecutor):
    """Pools of one worker each, and a queue: where a worker dies, its own task fails and no other, and another takes its place.

    A thread for each pool takes tasks from the queue, whatever the rest of this process is busy with.
    """

    def __init__(self, size: int, begin: Callable[[int], ProcessPoolExecutor]) -> None:
        super().__init__(size, thread_name_prefix="slot")
        self._begin, self._numbers, self._own = begin, count(), local()
        self._pools: list[ProcessPoolExecutor] = []
        self.handed_over = Semaphore(0)

    def submit(self, task: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future[Any]:
        """Hand over a task; returns at once."""
        future = super().submit(self._run, task, *arguments, **keywords)
        self.handed_over.release()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let nothing begin that waits, and end all workers."""
        super().shutdown(wait, cancel_futures=True)
        for pool in self._pools:
            pool.shutdown(wait)

    def _run(self, task: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        if not hasattr(self._own, "slot"):
            self._own.slot = next(self._numbers)
            self._renew()
        try:
            future = self._own.pool.submit(task, *arguments, **keywords)
        except BrokenProcessPool:
            self._renew()
            future = self._own.pool.submit(task, *arguments, **keywords)
        return future.result()

    def _renew(self) -> None:
        self._own.pool = self._begin(self._own.slot)
        self._pools.append(self._own.pool)


class Workers(ProcessPoolTaskRunner):
    """Prefect's process pool, with our workers in it."""

    method = "spawn"
    devices: tuple[str, ...] = ()

    def __enter__(self) -> "Workers":
        self._mailboxes = Mailboxes()
        super().__enter__()
        theirs = self._executor
        assert theirs is not None  # it starts processes only when something is submitted

        def begin(slot: int) -> ProcessPoolExecutor:
            device = self.devices[slot % len(self.devices)] if self.devices else None
            context = multiprocessing.get_context(self.method)
            begun: Any = self._mailboxes.open(context), begin_worker, (device,)
            return ProcessPoolExecutor(1, context, theirs._initializer, begun)

        self._slots = Slots(self._max_workers, begin)
        self._executor = cast(ProcessPoolExecutor, self._slots)
        return self

    def submit(self, *arguments: Any, **keywords: Any) -> Any:
        """Submit a task and wait until it is in the queue, where Prefect puts it by a thread: all shall keep their order."""
        future = super().submit(*arguments, **keywords)
        self._slots.handed_over.acquire(timeout=HANDING_OVER_SECONDS)
        return future

    def _forward_subprocess_messages(self) -> None:
        self._subprocess_message_queue = self._mailboxes.all
        super()._forward_subprocess_messages()

    def _stop_message_forwarding(self) -> None:
        self._mailboxes.close()
        super()._stop_message_forwarding()

    def begin_nothing(self) -> None:
        """Forget what waits for a worker."""
        self._slots.shutdown(wait=False)


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
            pool.begin_nothing()
            for worker in multiprocessing.active_children():
                worker.kill()
            raise


def begin_worker(device: str | None) -> None:
    """Prepare a worker process: it ends with its parent and sees its own GPU alone. Its parent sees to signals."""
    if device is not None:  # said before it has looked for any
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    for sign in (signal.SIGINT, signal.SIGHUP):
        signal.signal(sign, signal.SIG_IGN)
    end_with_parent()
