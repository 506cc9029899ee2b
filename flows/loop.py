"""The flow `self-consuming`: data and base models once, then every chain in a process of its own, then the report."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from threading import Event
from typing import Annotated, Any

from prefect import Task, flow, runtime, task
from prefect.cache_policies import NO_CACHE
from pydantic import Field

from flows.announcements import Announcement
from flows.engine import at_once, run_chains
from flows.known import In, project_root
from flows.outage import end_without, watched
from flows.plan import select
from flows.preflight import check_surroundings
from flows.progress import Progress
from flows.server import in_use
from flows.views import ChainView, link_chart, link_report
from pipeline.chains import Chain, check_arm, check_seed
from pipeline.clock import note, process_start
from pipeline.errors import GOES_ON, STOPPED, RunFailed
from pipeline.failures import note_failure
from pipeline.files import read_json
from pipeline.layout import METRICS, PARAMS, RECIPE, RUNNER, Layout
from pipeline.ownership import owned
from pipeline.params import Params, load
from pipeline.preparation import prepare
from pipeline.recipes import roots
from pipeline.remote import Remote
from pipeline.sections import Generations, Seed
from pipeline.tracking.chain import store_of
from pipeline.tracking.machine import machine_watched
from pipeline.versioning import Versions

PREPARE = Task(prepare, name="prepare", cache_policy=NO_CACHE)


Arm = Annotated[str, In("arms", check_arm)]
Arms = Annotated[list[Arm], Field(min_length=1)]
Seeds = Annotated[list[Annotated[Seed, In("seeds", check_seed)]], Field(min_length=1)]


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
def self_consuming(arm: Arm | Arms | None = None, seeds: Seeds | None = None, generations: Generations | None = None) -> None:
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
    check_surroundings(params)
    layout, server = Layout(params.experiment), in_use()
    with ExitStack() as claimed:
        for chain in wanted:
            claimed.enter_context(owned(layout.chain(chain), name=RUNNER))
            layout.failure(chain).unlink(missing_ok=True)
        lost = claimed.enter_context(watched(server, map(layout.chain, wanted)))
        versions = Versions(params)
        broken = PREPARE(versions, params, wanted)
        failures = list(broken.values())
        for chain in wanted:
            if chain.seed in broken:
                note_failure(params, chain, broken[chain.seed])
        ready = {chain: length for chain, length in wanted.items() if chain.seed not in broken}
        if not ready:
            raise RunFailed(f"{'; '.join(failures)}; {GOES_ON}")
        with pushed(Remote(versions, params), roots(ready), failures) as remote:
            failures += follow_chains(root, params, ready, remote, lost)
            if not lost.is_set():
                link_report(params, write_report(versions, params, wanted, began))
        if lost.is_set():
            end_without(server)
        note(layout.runs, "run", began, time.time() - began)
    if failures:
        raise RunFailed(f"{'; '.join(failures)}; {GOES_ON}")


@contextmanager
def pushed(remote: Remote, stages: Iterable[str], failures: list[str]) -> Iterator[Remote]:
    """Push the stages, and what the block adds; at its end, wait for all of it. What could not be pushed is a failure."""
    for stage in stages:
        remote.push(stage)
    try:
        yield remote
    except Exception:
        with suppress(RunFailed):  # what was made is pushed whatever failed, which is what there is to say
            remote.finish()
        raise
    try:
        remote.finish()
    except RunFailed as error:
        failures.append(str(error))


def follow_chains(root: Path, params: Params, wanted: dict[Chain, int], remote: Remote, lost: Event) -> list[str]:
    """Run the chains; show and push their generations as they come; gives what failed."""
    layout, failures = Layout(params.experiment), []
    store, places = store_of(params), at_once(params, len(wanted))
    views = {chain: ChainView(store, params, chain, generations, places, lost) for chain, generations in wanted.items()}

    def heard(chain: Chain, said: Announcement) -> None:
        if said.step:
            progress.begins(chain, said)
            return
        folder = layout.generation(chain, said.generation)
        progress.reached(chain, said, read_json(folder / METRICS)["fid"])
        views[chain].reached(said.generation)
        remote.push(str(folder / RECIPE))

    with Progress(wanted) as progress, machine_watched(store):
        left = len(wanted)
        for chain, failure in run_chains(root, params, wanted, heard):
            progress.ended(chain, failed=failure is not None)
            views[chain].ended(failed=failure is not None)
            if failure:
                failures.append(failure)
                note_failure(params, chain, failure)
            left -= 1
            if left < places:
                import_module("pipeline.reporting.report")  # its libraries are heavy: load them on a core that is free by now
    if not lost.is_set():
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
