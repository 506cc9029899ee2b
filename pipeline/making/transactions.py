"""Making base models and generations, one transaction each.

Both drivers end up here: the Prefect flow step by step, `dvc repro` through `python -m pipeline`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.experiment import machine
from pipeline.experiment.chains import Chain
from pipeline.experiment.extensions import said_of
from pipeline.experiment.kinds import STEPS
from pipeline.experiment.params import Params
from pipeline.generation import checkpoints, steps
from pipeline.generation.job import Job
from pipeline.making.judgement import judge_generation
from pipeline.making.launching import BASE, launch
from pipeline.storage.clock import timed
from pipeline.storage.files import Recording, staged
from pipeline.storage.layout import Layout
from pipeline.storage.ownership import owned
from pipeline.storage.within import at_work


def make_base(params: Params, seed: int, recording: Recording | None = None) -> None:
    """Generation 1's base model of a seed, shared by all arms."""
    machine.fix(params)
    folder, where = Layout(params.experiment).base(seed), f"base model of seed {seed}"
    with timed(Layout(params.experiment).runs, "base", seed=seed), said_of(where), staged(folder, recording) as work:
        make_base_in(params, seed, work, where)
    checkpoints.remove(work)


def make_step(job: Job, name: str, where: str) -> None:
    """Do a step of a generation in its folder, in as many processes as its chain has."""
    if job.params.engine.processes > 1:
        launch(job.params, name, job.chain.arm, job.chain.seed, job.generation, job.work, where)
    else:
        STEPS[name](job)


def make_base_in(params: Params, seed: int, work: Path, where: str) -> None:
    """Train a seed's base model in a folder, or take its checkpoint there."""
    if params.engine.processes > 1 and params.base is None:
        launch(params, BASE, "base", seed, 1, work, where)
    else:
        steps.train_base(params, seed, work)


@contextmanager
def transaction(params: Params, chain: Chain, generation: int, recording: Recording | None = None) -> Iterator[Job]:
    """A generation about to be made: its files appear when the block ends well, or not at all."""
    machine.fix(params)
    layout = Layout(params.experiment)
    layout.failure(chain).unlink(missing_ok=True)
    with staged(layout.generation(chain, generation), recording) as work:
        yield Job(params, chain, generation, work)
    checkpoints.remove(work)


def run_step(job: Job, name: str) -> None:
    """Run one step of a generation; raises Broken, which names chain, generation and step, where the numbers break."""
    where = f"{job.chain} generation {job.generation}, step {name}"
    with (
        timed(job.layout.chain(job.chain), name, generation=job.generation),
        said_of(where),
        at_work(job.work, name, job.generation),
    ):
        make_step(job, name, where)


def make_generation(params: Params, chain: Chain, generation: int) -> None:
    """All steps of a generation, in this process."""
    with owned(Layout(params.experiment).chain(chain)), transaction(params, chain, generation) as job:
        for name in job.strategy.steps:
            run_step(job, name)
        steps.conclude(job)


def make_whole(params: Params, chain: Chain, generation: int) -> None:
    """A generation made and judged, recorded nowhere."""
    make_generation(params, chain, generation)
    judge_generation(params, chain, generation)
