"""Making the parts of an experiment, one transaction each: the data, the base models, a generation of a chain.

Both drivers end up here: the Prefect flow step by step, `dvc repro` through `python -m pipeline`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline import compute, evaluation, steps
from pipeline.clock import timed
from pipeline.errors import BadInput, RunFailed
from pipeline.layout import Chain, Layout, staged
from pipeline.params import Params
from pipeline.steps import STEPS, Job


def make_data(params: Params) -> None:
    """Every seed's real set, what judges samples, and the real-versus-real floor."""
    compute.fix_threads(params.engine.threads)
    with timed(Layout(params.experiment).runs, "data"):
        evaluation.prepare_data(params)


def make_base(params: Params, seed: int) -> None:
    """Generation 1's base model of a seed, shared by all arms."""
    compute.fix_threads(params.engine.threads)
    with timed(Layout(params.experiment).runs, "base", seed=seed):
        steps.train_base(params, seed)


@contextmanager
def transaction(params: Params, chain: Chain, generation: int) -> Iterator[Job]:
    """A generation about to be made: its files appear when the block ends well, or not at all."""
    compute.fix_threads(params.engine.threads)
    with staged(Layout(params.experiment).generation(chain, generation)) as work:
        yield Job(params, chain, generation, work)


def run_step(job: Job, name: str) -> None:
    """Run one step of a generation; raises RunFailed, which names chain, generation and step, where the numbers break."""
    with timed(job.layout.chain(job.chain), name, generation=job.generation):
        try:
            STEPS[name](job)
        except ArithmeticError as error:
            raise RunFailed(f"{job.chain} generation {job.generation}, step {name}: {error}") from error


def make_generation(params: Params, chain: Chain, generation: int) -> None:
    """All steps of a generation, in this process."""
    check_chain(params, chain)
    with transaction(params, chain, generation) as job:
        for name in job.strategy.steps:
            run_step(job, name)


def check_chain(params: Params, chain: Chain) -> None:
    """Raise BadInput unless params.yaml has this arm and seed."""
    if chain.arm not in params.arms:
        raise BadInput(f"arm: {chain.arm!r} is not allowed: params.yaml has {', '.join(params.arms)}")
    if chain.seed not in params.seeds:
        raise BadInput(f"seed: {chain.seed} is not allowed: params.yaml has {', '.join(map(str, params.seeds))}")
