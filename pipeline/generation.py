"""Making the parts of an experiment, one transaction each: the data, the base models, a generation of a chain.

Both drivers end up here: the Prefect flow step by step, `dvc repro` through `python -m pipeline`.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from pipeline import checkpoints, machine, steps
from pipeline.chains import Chain
from pipeline.clock import timed
from pipeline.errors import Broken, in_a_line
from pipeline.extensions import said_of_extension
from pipeline.files import staged
from pipeline.job import Job
from pipeline.layout import Layout
from pipeline.measures import evaluation
from pipeline.ownership import owned
from pipeline.params import Params
from pipeline.steps import STEPS

Recording = AbstractContextManager[None]
"""Within it files are put in their place; it may record them in DVC."""


def make_data(params: Params, recording: Recording | None = None) -> None:
    """Every seed's real set, what judges samples, and the real-versus-real floor."""
    machine.fix(params)
    with timed(Layout(params.experiment).runs, "data"):
        evaluation.prepare_data(params, recording)


def make_base(params: Params, seed: int, recording: Recording | None = None) -> None:
    """Generation 1's base model of a seed, shared by all arms."""
    machine.fix(params)
    folder, where = Layout(params.experiment).base(seed), f"base model of seed {seed}"
    with timed(Layout(params.experiment).runs, "base", seed=seed), said_of(where), staged(folder, recording) as work:
        steps.train_base(params, seed, work)
    checkpoints.remove(work)


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
    with timed(job.layout.chain(job.chain), name, generation=job.generation), said_of(where):
        STEPS[name](job)


def make_generation(params: Params, chain: Chain, generation: int) -> None:
    """All steps of a generation, in this process."""
    with owned(Layout(params.experiment).chain(chain)), transaction(params, chain, generation) as job:
        for name in job.strategy.steps:
            run_step(job, name)


@contextmanager
def said_of(where: str) -> Iterator[None]:
    """Turn numbers that break, and errors in the user's own code, into Broken, which says where."""
    try:
        yield
    except ArithmeticError as error:
        raise Broken(f"{where}: {error}{said_of_extension(error)}") from error
    except Exception as error:
        if not (place := said_of_extension(error)):
            raise
        raise Broken(f"{where}: {type(error).__name__}: {in_a_line(error)}{place}") from error
