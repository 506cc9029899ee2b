"""Runs chains side by side, one a process, and hears from them of every generation that they have made."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect.futures import PrefectFuture
from prefect.task_runners import ProcessPoolTaskRunner

from flows.chain import begin_worker, run_chain
from flows.processes import yield_to_others
from pipeline.chains import Chain
from pipeline.errors import BadInput, RunFailed
from pipeline.machine import device_pool, workers
from pipeline.params import Params
from pipeline.strategies import STRATEGIES

TICK_SECONDS = 0.5

Heard = Callable[[Chain, int], None]
"""Called in this process with a chain's generation that is finished."""


def cost(params: Params, chain: Chain, generations: int) -> int:
    """Training steps of a chain: what makes one longer than another."""
    steps = params.train.steps + (params.auxiliary.steps if STRATEGIES[params.arms[chain.arm].strategy].guided else 0)
    return steps * generations


def run_chains(root: Path, params: Params, wanted: dict[Chain, int], heard: Heard) -> Iterator[tuple[Chain, str | None]]:
    """Run the chains, as many at once as there are workers, the longest first; yields each as it ends, with what failed.

    A chain is submitted when a worker is free: Prefect's pool does not promise to keep the order of what waits. The messages
    are small enough for a pipe to take them whole, so the workers share it without a lock, which a kill could leave locked.
    Raises BadInput.
    """
    waiting = sorted(wanted, key=lambda chain: -cost(params, chain, wanted[chain]))
    running: dict[PrefectFuture[int], Chain] = {}
    receiver, sender = multiprocessing.Pipe(duplex=False)
    devices = device_pool(params)
    size = min(workers(params), len(waiting))
    started = multiprocessing.get_context("spawn").Value("i", 0)
    about = (os.getpid(), sender, devices, started)
    pool = ProcessPoolTaskRunner(max_workers=size, initializer=begin_worker, initargs=about)
    with pool as runner, _workers_that_stop_at_once():
        while waiting or running:
            while waiting and len(running) < size:
                chain = waiting.pop(0)
                parameters = {"root": str(root), "arm": chain.arm, "seed": chain.seed}
                parameters |= {"generations": wanted[chain], "fingerprint": params.fingerprint}
                running[runner.submit(run_chain, parameters)] = chain
            if receiver.poll(TICK_SECONDS):  # by now the workers are there
                yield_to_others()
            ended = [future for future in running if _has_ended(future)]
            while receiver.poll():
                arm, seed, generation = receiver.recv()
                heard(Chain(arm, seed), generation)
            for future in ended:
                chain = running.pop(future)
                yield chain, _failure(chain, future)


@contextmanager
def _workers_that_stop_at_once() -> Iterator[None]:
    """Kill the workers when the block is left by an error or a signal: the pool would wait for the end of their chains.

    A generation is a transaction, so nothing valid is lost.
    """
    try:
        yield
    except BaseException:
        for worker in multiprocessing.active_children():
            worker.kill()
        raise


def _has_ended(future: PrefectFuture[int]) -> bool:
    try:
        future.result(timeout=0, raise_on_failure=False)
    except TimeoutError:
        return False
    except Exception:  # the worker itself is gone
        return True
    return True


def _failure(chain: Chain, future: PrefectFuture[int]) -> str | None:
    """What to say of a chain that did not reach its end; nothing of one that did."""
    try:
        future.result()
    except BadInput:
        raise
    except RunFailed as error:
        return str(error)
    except Exception as error:
        return f"{chain}: {type(error).__name__}: {error}"
    return None
