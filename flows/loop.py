"""The flow `self-consuming`: data and base models once, then every chain in a process of its own, then the report."""

import os
import sys
import time
from contextlib import ExitStack, suppress
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

from prefect import Task, flow, runtime, task
from prefect.cache_policies import NO_CACHE
from pydantic import AfterValidator

from flows.announcements import Announcement
from flows.engine import run_chains
from flows.plan import select
from flows.progress import Progress
from flows.views import ChainView, link_chart, link_report
from pipeline.chains import Chain, check_arm, check_seed
from pipeline.clock import note, process_start, timed
from pipeline.errors import GOES_ON, STOPPED, RunFailed, as_value_error
from pipeline.files import read_json, write_text
from pipeline.layout import METRICS, PARAMS, RECIPE, RUNNER, Layout
from pipeline.ownership import owned
from pipeline.params import Params, load
from pipeline.preparation import prepare
from pipeline.recipes import PLANNED, render, roots
from pipeline.remote import Remote
from pipeline.sections import Generations, Seed
from pipeline.tracking.chain import store_of
from pipeline.tracking.machine import machine_watched
from pipeline.versioning import Versions

ROOT = Path(__file__).resolve().parents[1]
PREPARE = Task(prepare, name="prepare", cache_policy=NO_CACHE)


def _known(arm: str) -> str:
    """Refuse an unknown arm where Prefect validates the parameters, before anything starts."""
    with as_value_error():
        check_arm(load(project_root() / PARAMS), arm)
    return arm


def _known_seed(seed: int) -> int:
    """The same for a seed."""
    with as_value_error():
        check_seed(load(project_root() / PARAMS), seed)
    return seed


Arm = Annotated[str, AfterValidator(_known)]
KnownSeed = Annotated[Seed, AfterValidator(_known_seed)]


def _run_name() -> str:
    """What the run is called on Prefect's pages: its arms, seeds and generations."""
    given = runtime.flow_run.parameters
    arm = given.get("arm")
    arms = [arm] if isinstance(arm, str) else arm
    wanted = select(load(project_root() / PARAMS), arms, given.get("seeds"), given.get("generations"))
    names, seeds = (" ".join(map(str, dict.fromkeys(each))) for each in zip(*((chain.arm, chain.seed) for chain in wanted)))
    return f"{names}, seed {seeds}, {max(wanted.values())} generations"


def _was_cancelled(*_: Any, **__: Any) -> None:
    """Say how to go on; called by Prefect's runner, since the run itself is gone."""
    print(STOPPED, file=sys.stderr, flush=True)


@flow(name="self-consuming", flow_run_name=_run_name, on_cancellation=[_was_cancelled])
def self_consuming(
    arm: Arm | list[Arm] | None = None, seeds: list[KnownSeed] | None = None, generations: Generations | None = None
) -> None:
    """Run chains of params.yaml to their end, resuming where they stopped.

    Args:
        arm: which arm or arms; all of them when not given.
        seeds: which seeds; all of them when not given.
        generations: how many generations; as params.yaml says when not given.
    """
    began = process_start()
    root = project_root()
    os.chdir(root)
    params = load(Path(PARAMS))
    wanted = select(params, [arm] if isinstance(arm, str) else arm, seeds, generations)
    layout = Layout(params.experiment)
    with ExitStack() as claimed:
        for chain in wanted:
            claimed.enter_context(owned(layout.chain(chain), name=RUNNER))
            layout.failure(chain).unlink(missing_ok=True)
        versions = Versions(params)
        PREPARE(versions, params)
        plan(versions, params, wanted)
        remote = Remote(versions, params)
        for stage in roots(params):
            remote.push(stage)
        try:
            failures = follow_chains(root, params, wanted, versions, remote)
            link_report(params, write_report(versions, params, wanted, began))
        except Exception:
            with suppress(RunFailed):  # what was made is pushed whatever failed, which is what there is to say
                remote.finish()
            raise
        try:
            remote.finish()
        except RunFailed as error:
            failures.append(str(error))
        note(layout.runs, "run", began, time.time() - began)
    if failures:
        raise RunFailed(f"{'; '.join(failures)}; {GOES_ON}")


def project_root() -> Path:
    """The folder with params.yaml: the current one, or the one that this file belongs to."""
    return Path.cwd() if Path(PARAMS).exists() else ROOT


@task(name="plan", cache_policy=NO_CACHE)
def plan(versions: Versions, params: Params, wanted: dict[Chain, int]) -> None:
    """Render the DVC recipes of all generations."""
    render(params, wanted)
    for stage in PLANNED:
        if not versions.stage_is_current(stage):
            versions.commit(stage)


def follow_chains(root: Path, params: Params, wanted: dict[Chain, int], versions: Versions, remote: Remote) -> list[str]:
    """Run the chains; record, show and push their generations as they come; gives what failed."""
    layout, failures = Layout(params.experiment), []
    store = store_of(params)
    views = {chain: ChainView(store, params, chain, generations) for chain, generations in wanted.items()}

    def heard(chain: Chain, said: Announcement) -> None:
        if said.step:
            progress.begins(chain, said)
            return
        folder = layout.generation(chain, said.generation)
        if said.made:
            with timed(folder.parent, "commit", generation=said.generation):
                versions.commit(str(folder / RECIPE))
        progress.reached(chain, said, read_json(folder / METRICS)["fid"])
        views[chain].reached(said.generation)
        remote.push(str(folder / RECIPE))

    with Progress(wanted) as progress, machine_watched(store):
        for chain, failure in run_chains(root, params, wanted, heard):
            progress.ended(chain, failed=failure is not None)
            views[chain].ended(failed=failure is not None)
            if failure:
                failures.append(failure)
                write_text(layout.failure(chain), failure)
            import_module("pipeline.reporting.report")  # its libraries are heavy: load them while other chains run
    store.attempt(lambda: link_chart(params, store, views.values()))
    return failures


@task(name="report", cache_policy=NO_CACHE)
def write_report(versions: Versions, params: Params, wanted: dict[Chain, int], began: float) -> Path:
    """Rebuild the report and record it; gives its page's path."""
    from pipeline.reporting import report

    versions.check_params()
    path = report.build(params, wanted, began)
    versions.commit("report")
    return path
