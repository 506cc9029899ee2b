"""Runs chains side by side and hears from them of every generation that they have made."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner

from flows.chain_task import run_chain
from flows.pools.cores import Cores, placed
from flows.pools.process_pool import process_pool
from flows.pools.ray_pool import ray_pool
from flows.processes import STOPPING, yield_to_others
from flows.server.server import in_use
from flows.watching.announcements import Announcement, Announcements
from pipeline.experiment.chains import Chain
from pipeline.experiment.errors import NO_MEMORY, BadInput, RunFailed, lacks_memory
from pipeline.experiment.machine import workers
from pipeline.experiment.params import Params
from pipeline.storage.layout import Layout
from pipeline.storage.ownership import owner

TICK_SECONDS = 0.5

Heard = Callable[[Chain, Announcement], None]
"""Called in the flow's process with what a chain announces."""

Look = Callable[[Chain], None]
"""Called there, again and again, for every chain that runs."""

Pool = Callable[[Path, Params, int], AbstractContextManager[TaskRunner[Any]]]
"""Opens the place where at most so many chains run at once; they are gone when it is left."""

POOLS: dict[str, Pool] = {"processes": process_pool, "ray": ray_pool}


def at_once(params: Params, count: int) -> int:
    """How many of the chains run at once. A Ray cluster knows its own size."""
    return count if params.engine.kind == "ray" and params.engine.workers == "auto" else min(workers(params), count)


def cost(params: Params, chain: Chain, generations: int) -> int:
    """Training steps of a chain: what makes one longer than another."""
    return params.training_steps(chain.arm) * generations


def run_chains(
    root: Path, params: Params, wanted: dict[Chain, int], heard: Heard, look: Look = lambda chain: None
) -> Iterator[tuple[Chain, str | None]]:
    """Run the chains, as many at once as there is room for, the longest first; yields each as it ends, with what failed.

    The pool of processes has a queue of its own, so that no worker idles while this process is busy. Raises BadInput.
    """
    layout = Layout(params.experiment)
    costs = {chain: cost(params, chain, generations) for chain, generations in wanted.items()}
    waiting = sorted(wanted, key=lambda chain: -costs[chain])
    running: dict[PrefectFuture[int], Chain] = {}
    said: dict[Chain, Announcements] = {}
    size = at_once(params, len(waiting))
    handed = size if params.engine.kind == "ray" else len(waiting)
    with POOLS[params.engine.kind](root, params, size) as runner, placed(params, size) as cores:
        while waiting or running:
            while waiting and len(running) < handed:
                chain = waiting.pop(0)
                said[chain] = Announcements(layout.chain(chain))
                parameters = {"root": str(root), "arm": chain.arm, "seed": chain.seed}
                parameters |= {"generations": wanted[chain], "fingerprint": params.fingerprint}
                running[runner.submit(run_chain, parameters)] = chain
            time.sleep(TICK_SECONDS)
            ended = [future for future in running if has_ended(future)]
            if STOPPING.is_set():  # what the signal raised in this thread may have been swallowed, or still come
                raise KeyboardInterrupt
            news = [(chain, announcement) for chain in running.values() for announcement in said[chain].new()]
            if news:  # so the workers are there
                give_way(cores, layout, {chain: costs[chain] for chain in running.values()})
            for chain, announcement in news:
                heard(chain, announcement)
            for chain in running.values():
                look(chain)
            for future in ended:
                chain = running.pop(future)
                yield chain, failure_of(str(chain), future)


def give_way(cores: Cores, layout: Layout, running: dict[Chain, int]) -> None:
    """Let the chains that decide when the run ends, those with the highest costs, go before shorter ones and what looks on."""
    yield_to_others()
    processes = {chain: owner(layout.chain(chain)) for chain in running}
    longest = max(running.values())
    deciding = [process for chain, process in processes.items() if running[chain] == longest]
    server = in_use().process
    looking_on = [os.getpid(), *([server.pid] if server else [])]
    cores.place(deciding, looking_on + [process for process in processes.values() if process is not None])


def has_ended(future: PrefectFuture[Any]) -> bool:
    """Whether a task has come to its end, well or not."""
    try:
        future.result(timeout=0, raise_on_failure=False)
    except TimeoutError:  # it has none yet, or is one that the task has raised
        done = getattr(getattr(future, "wrapped_future", None), "done", None)
        return bool(done and done())
    except Exception:  # the worker itself is gone
        return True
    return True


def failure_of(what: str, future: PrefectFuture[Any]) -> str | None:
    """What to say of a task that did not reach its end; nothing of one that did. Raises BadInput."""
    try:
        future.result()
    except BadInput:
        raise
    except RunFailed as error:
        return str(error)
    except Exception as error:
        if isinstance(error, BrokenProcessPool):
            return f"{what}: its process was killed, or ran out of memory"
        reason = getattr(error, "cause", None) or error  # Ray wraps what a task raises, Prefect a timeout
        reason = (reason.__cause__ or reason) if isinstance(reason, TimeoutError) else reason
        kind = NO_MEMORY if lacks_memory(reason) else f"{type(reason).__name__}: "
        return f"{what}: {kind}{' '.join(str(reason).split())[:500]}"
    return None
