"""Several processes for one step of a generation, or its judging, under PyTorch's own launcher (torchrun's elastic agent).

When one of them dies, the others are ended and the step fails; its trainings go on from their checkpoints.
"""

import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from pipeline.experiment import machine
from pipeline.experiment.errors import BadInput, Broken, RunFailed
from pipeline.experiment.params import Params
from pipeline.storage.files import read_json, write_json

BASE, JUDGE = "base", "judge"
"""What is no step of a strategy: training a seed's base model, and judging a generation."""
HERE = "127.0.0.1"


@dataclass(frozen=True)
class Task:
    """What the processes do.

    Attributes:
        step: of a generation of the chain of `arm` and `seed`, or BASE or JUDGE.
        home: the folder that the step's files come into being in, or that of what is judged.
        raw: params.yaml as it is.
        threads: of each process.
        parent: who starts them; they end with it.
        where: what it is, in words.
    """

    step: str
    arm: str
    seed: int
    generation: int
    home: str
    raw: dict[str, Any]
    threads: int
    parent: int
    where: str

    @staticmethod
    def read(file: Path) -> "Task":
        """As it was written for the processes."""
        return Task(**read_json(file))

    @property
    def work(self) -> Path:
        """The first process's folder, whose files are kept."""
        return Path(self.home)

    @property
    def beside(self) -> Path:
        """The folder of the others', and of what is found; gone at the end."""
        return self.work.with_name(f"{self.work.name}-processes.partial")

    def folder(self, rank: int) -> Path:
        """Where a process works."""
        return self.work if rank == 0 else self.beside / str(rank)


def launch(
    params: Params,
    step: str,
    arm: str,
    seed: int,
    generation: int,
    work: Path,
    where: str,
    take: Callable[[Path], None] = lambda beside: None,
) -> None:
    """Do a step in as many processes as a chain has; `take` is given the folder with what they found, before it goes.

    Raises what was raised there, and RunFailed where one of them died.
    """
    count = params.engine.processes
    task = Task(step, arm, seed, generation, str(work), params.raw, machine.threads(params), os.getpid(), where)
    shutil.rmtree(task.beside, ignore_errors=True)
    try:
        for rank in range(1, count):
            task.folder(rank).mkdir(parents=True)
            for file in work.iterdir():
                (task.folder(rank) / file.name).symlink_to(file.resolve())
        file = task.beside / "task.json"
        write_json(file, asdict(task))
        _run(count, file, task)
        take(task.beside)
    finally:
        shutil.rmtree(task.beside, ignore_errors=True)


def note(task: Task, rank: int, error: BaseException, said: str) -> None:
    """Write down, in a process, what it ends with."""
    write_json(task.beside / f"error-{rank}.json", {"kind": type(error).__name__, "said": said})


def _run(count: int, file: Path, task: Task) -> None:
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    quiet = DefaultLogsSpecs(str(task.beside / "logs"), redirects={rank: Std.ALL for rank in range(1, count)})
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint=f"{HERE}:0",
        local_addr=HERE,
        max_restarts=0,
        logs_specs=quiet,
        virtual_local_rank=True,
        signals_to_handle="SIGTERM",
        shutdown_timeout=5,
    )
    try:
        with _own_handlers(), _silent():
            elastic_launch(config, sys.executable)("-m", "pipeline.making.rank", str(file))
    except SignalException as stopped:
        signal.raise_signal(stopped.sigval)
        raise KeyboardInterrupt from None
    except ChildFailedError as failed:
        raise _error(task, {rank: failure.exitcode for rank, failure in failed.failures.items()}, count) from None


def _error(task: Task, codes: dict[int, int], count: int) -> Exception:
    """What a step failed with: what a process says, the first of them, unless that is the consequence of another one's end."""
    kinds = {"BadInput": BadInput, "Broken": Broken, "RunFailed": RunFailed}
    said = [read_json(file) for file in sorted(task.beside.glob("error-*.json"), key=lambda file: file.stat().st_mtime_ns)]
    for each in said:
        if each["kind"] in kinds:
            return kinds[each["kind"]](each["said"])
    killed = [f"{rank} (signal {-code})" for rank, code in codes.items() if code < 0 and code != -signal.SIGTERM]
    reason = f"process {killed[0]} of {count} was killed, or ran out of memory" if killed else ""
    if not reason and said:
        reason = f"{said[0]['kind']}: {said[0]['said']}"
    return RunFailed(f"{task.where}: {reason or f'one of its {count} processes ended, and with it the others'}")


@contextmanager
def _own_handlers() -> Iterator[None]:
    """The launcher puts a handler of its own in place of ours."""
    former = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is not former:
            signal.signal(signal.SIGTERM, former)


@contextmanager
def _silent() -> Iterator[None]:
    """What the launcher says of a failure is said by its error."""
    former = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(former)
