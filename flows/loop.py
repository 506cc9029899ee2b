"""The flow `self-consuming`: data and base models once, then every chain in a process of its own, then the report."""

import os
import time
from importlib import import_module
from pathlib import Path

from prefect import Task, flow, runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import ProcessPoolTaskRunner

from flows.chain import run_chain
from flows.plan import cost, select, workers
from flows.processes import end_with
from pipeline.chains import Chain
from pipeline.clock import RUN, note
from pipeline.errors import BadInput, RunFailed
from pipeline.layout import PARAMS, Layout
from pipeline.params import Params, load
from pipeline.preparation import prepare
from pipeline.tracking import prepare_store
from pipeline.versioning import Versions, render

ROOT = Path(__file__).resolve().parents[1]
PREPARE = Task(prepare, name="prepare", cache_policy=NO_CACHE)


def _run_name() -> str:
    """What the run is called on Prefect's pages: its arms, seeds and generations."""
    given = runtime.flow_run.parameters
    parts = [" ".join(given.get("arms") or ["all arms"])]
    parts += [f"{key} {given[key]}" for key in ("seeds", "generations") if given.get(key)]
    return ", ".join(parts)


@flow(name="self-consuming", flow_run_name=_run_name)
def self_consuming(
    arms: list[str] | None = None, seeds: list[int] | None = None, generations: int | None = None, began: float | None = None
) -> None:
    """Run chains of params.yaml to their end, resuming where they stopped.

    Args:
        arms: which arms; all of them when not given.
        seeds: which seeds; all of them when not given.
        generations: how many generations; as params.yaml says when not given.
        began: when the run began, in seconds since the epoch, for the table of times; now when not given.
    """
    began = began or time.time()
    root = project_root()
    os.chdir(root)
    params = load(Path(PARAMS))
    wanted = select(params, arms, seeds, generations)
    versions = Versions(params)
    PREPARE(versions, params)
    plan(versions, params, wanted)
    prepare_store(params)
    failures = run_chains(root, params, wanted)
    write_report(versions, params, wanted, began)
    note(Layout(params.experiment).runs, RUN, began, time.time() - began)
    if failures:
        raise RunFailed("; ".join(failures) + "; the same command goes on from the last finished generation")


def project_root() -> Path:
    """The folder with params.yaml: the current one, or the one that this file belongs to."""
    return Path.cwd() if Path(PARAMS).exists() else ROOT


@task(name="plan", cache_policy=NO_CACHE)
def plan(versions: Versions, params: Params, wanted: dict[Chain, int]) -> None:
    """Render the DVC recipes of all generations."""
    render(params, wanted)
    if not versions.stage_is_current("plan"):
        versions.commit("plan")


def run_chains(root: Path, params: Params, wanted: dict[Chain, int]) -> list[str]:
    """Run the chains, as many at once as there are workers, the longest first; gives what failed.

    A chain is submitted when a worker is free: Prefect's pool does not promise to keep the order of what waits.
    """
    waiting = sorted(wanted, key=lambda chain: -cost(params, chain, wanted[chain]))
    failures: list[str] = []
    running: dict[PrefectFuture[int], Chain] = {}
    size = min(workers(params), len(waiting))
    with ProcessPoolTaskRunner(max_workers=size, initializer=end_with, initargs=(os.getpid(),)) as runner:

        def start_next() -> None:
            chain = waiting.pop(0)
            parameters = {"root": str(root), "arm": chain.arm, "seed": chain.seed, "generations": wanted[chain]}
            running[runner.submit(run_chain, parameters | {"fingerprint": params.fingerprint})] = chain

        for _ in range(size):
            start_next()
        import_module("pipeline.report")  # its libraries are heavy: load them while the chains run
        while running:
            done = next(as_completed(list(running)))
            failures += _failure(running.pop(done), done)
            if waiting:
                start_next()
    return failures


def _failure(chain: Chain, future: PrefectFuture[int]) -> list[str]:
    """What to say of a chain that did not reach its end; nothing of one that did."""
    try:
        future.result()
    except BadInput:
        raise
    except RunFailed as error:
        return [str(error)]
    except Exception as error:
        return [f"{chain}: {type(error).__name__}: {error}"]
    return []


@task(name="report", cache_policy=NO_CACHE)
def write_report(versions: Versions, params: Params, wanted: dict[Chain, int], began: float) -> None:
    """Rebuild the report and record it."""
    from pipeline import report

    versions.check_params()
    report.build(params, wanted, began)
    versions.commit("report")
