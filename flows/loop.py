"""The flow `self-consuming`: data and base models once, then every chain in a process of its own, then the report."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from threading import Event, Thread
from typing import Annotated

from prefect import Task, flow, runtime, task
from prefect.cache_policies import NO_CACHE
from pydantic import Field

from flows.engine import at_once, run_chains
from flows.known import In, project_root
from flows.plan import select
from flows.preflight import check_surroundings
from flows.processes import say_stopped
from flows.server.cancellation import cancellable, stay_cancelled
from flows.server.outage import end_without, watched
from flows.server.server import in_use
from flows.watching.announcements import Announcement
from flows.watching.beforehand import making_watched
from flows.watching.progress import Progress
from flows.watching.views import ChainView, link_chart, link_report
from pipeline.experiment.chains import Chain, check_arm, check_seed
from pipeline.experiment.errors import GOES_ON, RunFailed
from pipeline.experiment.params import Params, load
from pipeline.experiment.sections import Generations, Seed
from pipeline.making.failures import note_failure
from pipeline.making.preparation import prepare
from pipeline.recipes.rendering import roots
from pipeline.records import claims
from pipeline.records.remote import Remote
from pipeline.records.repository import Versions
from pipeline.storage.clock import note, process_start
from pipeline.storage.files import read_json
from pipeline.storage.layout import METRICS, PARAMS, RECIPE, Layout
from pipeline.storage.leftovers import cleared
from pipeline.storage.within import told
from pipeline.views.mlflow.chain_runs import store_of
from pipeline.views.mlflow.monitor import machine_watched
from pipeline.views.mlflow.overview import Overview

GOODBYE_SECONDS = 2.0
"""How long a run that is stopped may take to tell MLflow so."""
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


@flow(name="self-consuming", flow_run_name=_run_name, on_cancellation=[say_stopped], on_crashed=[stay_cancelled])
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
        versions = Versions(params)
        claimed.enter_context(claims.claimed(versions, layout, wanted))
        for chain in wanted:
            claimed.enter_context(cleared(layout.chain(chain)))
            layout.failure(chain).unlink(missing_ok=True)
        claimed.enter_context(cancellable())
        lost = claimed.enter_context(watched(server, map(layout.chain, wanted)))
        with making_watched(params, [chain.seed for chain in wanted], page=lambda: not lost.is_set()):
            broken = PREPARE(versions, params, wanted)
        failures = list(broken.values())
        ready = [chain for chain in wanted if chain.seed not in broken]
        with pushed(Remote(versions, params), roots(params, ready), failures) as remote:
            overview = Overview(store_of(params), params)
            failures += follow_chains(root, overview, wanted, broken, remote, lost)
            if not lost.is_set():
                link_report(params, write_report(versions, params, wanted, began))
                overview.store.attempt(overview.conclude)
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


def follow_chains(
    root: Path, overview: Overview, wanted: dict[Chain, int], broken: dict[int, str], remote: Remote, lost: Event
) -> list[str]:
    """Run the chains, but those of seeds that are `broken`; show and push their generations as they come; gives what failed."""
    store, params, failures = overview.store, overview.params, []
    layout, places = Layout(params.experiment), at_once(params, len(wanted))
    views = {chain: ChainView(store, params, chain, generations, places, lost) for chain, generations in wanted.items()}

    def heard(chain: Chain, said: Announcement) -> None:
        if said.step:
            progress.begins(chain, said)
            views[chain].begins()
            return
        folder = layout.generation(chain, said.generation)
        progress.reached(chain, said, read_json(folder / METRICS)["fid"])
        views[chain].reached(said.generation)
        if overview.is_due:
            store.attempt(overview.curves)
        remote.push(str(folder / RECIPE))

    def look(chain: Chain) -> None:
        said = told(layout.generation(chain, progress.chains[chain].generation))
        progress.within(chain, said)
        views[chain].within(said)

    def ended(chain: Chain, failure: str | None) -> None:
        left.pop(chain, None)
        progress.ended(chain, failed=failure is not None)
        views[chain].ended(failed=failure is not None)
        if failure:
            note_failure(params, chain, failure)

    def say_goodbye() -> None:
        for chain in left:
            views[chain].stopped()

    left = {chain: generations for chain, generations in wanted.items() if chain.seed not in broken}
    with Progress(wanted) as progress, machine_watched(store):
        for chain in wanted.keys() - left.keys():
            ended(chain, broken[chain.seed])
        try:
            for chain, failure in run_chains(root, params, dict(left), heard, look) if left else ():
                ended(chain, failure)
                failures += [failure] if failure else []
                if len(left) < places:  # a core is free by now: load the report's libraries, which are heavy, on it
                    import_module("pipeline.views.report.report")
        except BaseException:  # a signal, as a rule, after which a store that does not answer is not waited for
            thread = Thread(target=say_goodbye, daemon=True)
            thread.start()
            thread.join(GOODBYE_SECONDS)
            raise
    if not lost.is_set():
        store.attempt(overview.curves)
        store.attempt(lambda: link_chart(params, overview))
    return failures


@task(name="report", cache_policy=NO_CACHE)
def write_report(versions: Versions, params: Params, wanted: dict[Chain, int], began: float) -> Path:
    """Rebuild the report and record it; gives its page's path."""
    from pipeline.views.report import report

    versions.check_params()
    with versions.recording("report"):
        return report.build(params, wanted, began)
