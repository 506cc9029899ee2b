"""What a run has to do: which chains, how long, or nothing. Imports nothing heavy, so that "nothing" is said at once."""

from pipeline.experiment.chains import Chain, chains, check_arm, check_seed
from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import Params
from pipeline.experiment.sections import MAX_GENERATIONS
from pipeline.making.keeping import due
from pipeline.recipes.rendering import PLANNED, render, roots
from pipeline.records.repository import Versions
from pipeline.storage.layout import Layout


def select(params: Params, arms: list[str] | None, seeds: list[int] | None, generations: int | None) -> dict[Chain, int]:
    """The chains asked for, each with its number of generations. Raises BadInput."""
    for arm in arms or []:
        check_arm(params, arm)
    for seed in seeds or []:
        check_seed(params, seed)
    if generations is not None and not 1 <= generations <= MAX_GENERATIONS:
        raise BadInput(f"generations: {generations} is not allowed: a number from 1 to {MAX_GENERATIONS}")
    arms = list(params.arms) if arms is None else arms
    seeds = params.seeds if seeds is None else seeds
    selected = {
        chain: params.length(chain.arm) if generations is None else generations
        for chain in chains(params)
        if chain.arm in arms and chain.seed in seeds
    }
    if not selected:
        has = "; ".join(f"{name} has {', '.join(map(str, arm.seeds or params.seeds))}" for name, arm in params.arms.items())
        raise BadInput(f"seed: {', '.join(map(str, seeds))} is not allowed for {', '.join(arms)}: {has}")
    return selected


def everything_current(params: Params, wanted: dict[Chain, int]) -> bool:
    """Whether data, base models, every generation asked for and the report are there and current, and nothing is to go."""
    layout = Layout(params.experiment)
    folders = [layout.generation(chain, number) for chain, length in wanted.items() for number in range(1, length + 1)]
    if not all(path.exists() for path in (*folders, layout.page)):
        return False
    render(params, wanted)
    if any(due(params, chain, length) for chain, length in wanted.items()):
        return False
    versions = Versions(params)
    stages = [*PLANNED, "report", *roots(params, wanted)]
    return versions.current(folders) == set(folders) and all(versions.stage_is_current(stage) for stage in stages)
