"""One of the processes that make a step of a generation, or judge it: `python -m pipeline.making.rank TASK`, from `launching`.

All do the same on the same files. The first works in the generation's folder, each other one in its own, which nobody keeps.
"""

import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from pipeline.experiment import machine
from pipeline.experiment.chains import Chain
from pipeline.experiment.errors import in_a_line
from pipeline.experiment.extensions import extend, said_of
from pipeline.experiment.kinds import STEPS
from pipeline.experiment.params import parse
from pipeline.generation import steps
from pipeline.generation.job import Job
from pipeline.making.judgement import judged_here, write_judged
from pipeline.making.launching import BASE, JUDGE, Task, note
from pipeline.making.orphans import end_with
from pipeline.storage.within import at_work


def main(file: str) -> int:
    """Do this process's part of the task."""
    task, number = Task.read(Path(file)), int(os.environ["RANK"])
    end_with(task.parent)
    try:
        _work(task, number, task.folder(number))
    except BaseException as error:  # who started it says so
        note(task, number, error, in_a_line(error))
        os._exit(1)  # a collective may hang in the other processes, and so in the orderly end of this one
    return 0


def _work(task: Task, number: int, work: Path) -> None:
    extend(task.raw.get("extensions"), Path())
    params = parse(task.raw)
    machine.fix(params, task.threads)
    on_gpu = machine.device_of(params).type == "cuda"
    if on_gpu:
        torch.cuda.set_device(0)  # it sees no other
    elif sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # they are all on this machine
    dist.init_process_group("nccl" if on_gpu else "gloo")
    chain = Chain(task.arm, task.seed)
    with said_of(task.where), at_work(work, task.step, task.generation):
        if task.step == BASE:
            steps.train_base(params, task.seed, work, task.work)
        elif task.step == JUDGE:
            found = judged_here(params, chain, work, task.threads)
            if number == 0:
                write_judged(task.beside, *found)
        else:
            STEPS[task.step](Job(params, chain, task.generation, work, task.work))
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
