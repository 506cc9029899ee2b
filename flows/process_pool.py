"""Chains as processes of this machine, each with a GPU of its own where there are any."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from prefect.task_runners import ProcessPoolTaskRunner

from flows.forking import preload, start_method
from flows.processes import end_with_parent
from pipeline.machine import device_pool
from pipeline.params import Params


class Workers(ProcessPoolTaskRunner):
    """Prefect's process pool, with our way to start its processes."""

    method = "spawn"

    def __enter__(self) -> "Workers":
        super().__enter__()
        theirs = self._executor
        assert theirs is not None  # it starts processes only when something is submitted
        context = multiprocessing.get_context(self.method)
        self._executor = ProcessPoolExecutor(self._max_workers, context, theirs._initializer, theirs._initargs)
        return self


@contextmanager
def process_pool(root: Path, params: Params, size: int) -> Iterator[ProcessPoolTaskRunner]:
    """So many worker processes.

    They are killed when the block is left by an error or a signal: the pool would wait for the end of their chains.
    A generation is a transaction, so nothing valid is lost.
    """
    preload(params)
    method = start_method(params)
    started = multiprocessing.get_context(method).Value("i", 0)
    pool = Workers(size, initializer=begin_worker, initargs=(device_pool(params), started))
    pool.method = method
    with pool as runner:
        try:
            yield runner
        except BaseException:
            for worker in multiprocessing.active_children():
                worker.kill()
            raise


def begin_worker(devices: list[str], started: "Synchronized[int]") -> None:
    """Prepare a worker process: it ends with its parent and has a GPU of its own. Ctrl-C is for the parent."""
    take_device(devices, started)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


def take_device(devices: list[str], started: "Synchronized[int]") -> None:
    """Let this process see the next of the GPUs alone, before it has looked for any; `started` counts the workers."""
    if devices:
        with started.get_lock():
            os.environ["CUDA_VISIBLE_DEVICES"] = devices[started.value % len(devices)]
            started.value += 1
