"""What a run has to do: which chains, how long, how many at once. Imports no Prefect: "nothing to do" is said at once."""

import os

from pipeline.chains import Chain, chains, check_arm, check_seed
from pipeline.errors import BadInput
from pipeline.layout import Layout
from pipeline.params import MAX_GENERATIONS, Params
from pipeline.recipes import render
from pipeline.strategies import STRATEGIES
from pipeline.versioning import Versions


def select(params: Params, arms: list[str] | None, seeds: list[int] | None, generations: int | None) -> dict[Chain, int]:
    """The chains asked for, each with its number of generations. Raises BadInput."""
    for arm in arms or []:
        check_arm(params, arm)
    for seed in seeds or []:
        check_seed(params, seed)
    if generations is not None and not 1 <= generations <= MAX_GENERATIONS:
        raise BadInput(f"generations: {generations} is not allowed: a number from 1 to {MAX_GENERATIONS}")
    return {
        chain: generations or params.length(chain.arm)
        for chain in chains(params)
        if chain.arm in (arms or params.arms) and chain.seed in (seeds or params.seeds)
    }


def workers(params: Params) -> int:
    """How many chains run at once: engine.workers, or the cores divided by the threads of each."""
    if params.engine.workers != "auto":
        return params.engine.workers
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // params.engine.threads)


def cost(params: Params, chain: Chain, generations: int) -> int:
    """Training steps of a chain: what makes one longer than another."""
    steps = params.train.steps + (params.auxiliary.steps if STRATEGIES[params.arms[chain.arm].strategy].guided else 0)
    return steps * generations


def everything_current(params: Params, wanted: dict[Chain, int]) -> bool:
    """Whether data, base models, every generation asked for and the report are there and current."""
    layout = Layout(params.experiment)
    folders = [layout.generation(chain, number) for chain, length in wanted.items() for number in range(1, length + 1)]
    if not all(path.exists() for path in (*folders, layout.page)):
        return False
    render(params, wanted)
    versions = Versions(params)
    roots = ["data", "plan", "report", *(f"base@{seed}" for seed in params.seeds)]
    return versions.current(folders) == set(folders) and all(versions.stage_is_current(stage) for stage in roots)
