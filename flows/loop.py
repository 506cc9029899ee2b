"""The flow `self-consuming`: data and base models once, then every chain in a process of its own, then the report."""

import os
import time
from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ProcessPoolTaskRunner

from flows.chain import run_chain
from pipeline.errors import BadInput, RunFailed
from pipeline.layout import PARAMS, Chain, Layout
from pipeline.params import MAX_GENERATIONS, Params, load
from pipeline.versioning import Versions, chains, render

ROOT = Path(__file__).resolve().parents[1]


@flow(name="self-consuming", flow_run_name="{arms} seeds {seeds} generations {generations}", validate_parameters=True)
def self_consuming(arms: list[str] | None = None, seeds: list[int] | None = None, generations: int | None = None) -> None:
    """Run chains of params.yaml to their end, resuming where they stopped.

    Args:
        arms: which arms; all of them when not given.
        seeds: which seeds; all of them when not given.
        generations: how many generations; as params.yaml says when not given.
    """
    started = time.perf_counter()
    root = project_root()
    os.chdir(root)
    params = load(Path(PARAMS))
    wanted = select(params, arms, seeds, generations)
    versions = Versions()
    plan(versions, params, generations)
    prepare(versions, params)
    failures = run_chains(root, params, wanted)
    write_report(versions, params, time.perf_counter() - started)
    if failures:
        raise RunFailed("; ".join(failures) + "; the same command goes on from the last finished generation")


def project_root() -> Path:
    """The folder with params.yaml: the current one, or the one that this file belongs to."""
    return Path.cwd() if Path(PARAMS).exists() else ROOT


def select(params: Params, arms: list[str] | None, seeds: list[int] | None, generations: int | None) -> dict[Chain, int]:
    """The chains asked for, each with its number of generations. Raises BadInput."""
    for name in arms or []:
        if name not in params.arms:
            raise BadInput(f"arm: {name!r} is not allowed: params.yaml has {', '.join(params.arms)}")
    for seed in seeds or []:
        if seed not in params.seeds:
            raise BadInput(f"seed: {seed} is not allowed: params.yaml has {', '.join(map(str, params.seeds))}")
    if generations is not None and not 1 <= generations <= MAX_GENERATIONS:
        raise BadInput(f"generations: {generations} is not allowed: a number from 1 to {MAX_GENERATIONS}")
    return {
        chain: generations or params.length(chain.arm)
        for chain in chains(params)
        if chain.arm in (arms or params.arms) and chain.seed in (seeds or params.seeds)
    }


@task(name="plan", cache_policy=NO_CACHE)
def plan(versions: Versions, params: Params, generations: int | None) -> None:
    """Render the DVC recipes of all generations."""
    render(params, generations)
    if not versions.stage_is_current("plan"):
        versions.commit("plan", params)


@task(name="prepare", cache_policy=NO_CACHE)
def prepare(versions: Versions, params: Params) -> None:
    """Make the real data and every seed's base model where they are not current."""
    from pipeline.generation import make_base, make_data

    if not versions.stage_is_current("data"):
        make_data(params)
        versions.commit("data", params)
    for seed in params.seeds:
        if not versions.stage_is_current(f"base@{seed}"):
            make_base(params, seed)
            versions.commit(f"base@{seed}", params)


def run_chains(root: Path, params: Params, wanted: dict[Chain, int]) -> list[str]:
    """Run the chains, as many at once as there are workers, the longest first; gives what failed."""
    threads = str(params.engine.threads)
    os.environ |= {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
    order = sorted(wanted, key=lambda chain: -_cost(params, chain, wanted[chain]))
    with ProcessPoolTaskRunner(max_workers=min(workers(params), len(order))) as runner:
        futures = {
            chain: runner.submit(
                run_chain, {"root": str(root), "arm": chain.arm, "seed": chain.seed, "generations": wanted[chain]}
            )
            for chain in order
        }
        failures = []
        for chain, future in futures.items():
            try:
                future.result()
            except Exception as error:
                failures.append(str(error) if isinstance(error, RunFailed) else f"{chain}: {type(error).__name__}: {error}")
    return failures


def workers(params: Params) -> int:
    """How many chains run at once: engine.workers, or the cores divided by the threads of each."""
    if params.engine.workers != "auto":
        return params.engine.workers
    return max(1, len(os.sched_getaffinity(0)) // params.engine.threads)


def _cost(params: Params, chain: Chain, generations: int) -> int:
    """Network evaluations in training, roughly: what makes one chain longer than another."""
    from pipeline.strategies import STRATEGIES

    steps = params.train.steps + (params.auxiliary.steps if STRATEGIES[params.arms[chain.arm].strategy].guided else 0)
    return steps * generations


@task(name="report", cache_policy=NO_CACHE)
def write_report(versions: Versions, params: Params, seconds: float) -> None:
    """Rebuild the report and record it."""
    from pipeline import report

    report.build(params)
    versions.commit("report", params)
