"""A chain as a Prefect task: its generations in order, each step a task of its own, resumed where DVC says it must be.

Wherever it runs, it announces every generation that is there; the flow's process shows and pushes it while the chain goes on.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path

from prefect import Task, task
from prefect.cache_policies import NO_CACHE

from flows.server.outage import halted
from flows.watching.announcements import Announcement, announce
from pipeline.experiment.chains import Chain
from pipeline.experiment.errors import Broken, RunFailed
from pipeline.experiment.params import Params, load
from pipeline.generation.job import Job
from pipeline.generation.steps import conclude
from pipeline.making.judgement import judge_generation
from pipeline.making.keeping import let_go, prepare_again, recheck
from pipeline.making.launching import JUDGE
from pipeline.making.patience import patiently
from pipeline.making.transactions import run_step, transaction
from pipeline.recipes.stages import GENERATION, JUDGED
from pipeline.records.ledger import digests
from pipeline.records.repository import Versions
from pipeline.storage.clock import timed
from pipeline.storage.files import Recording
from pipeline.storage.layout import METRICS, PARAMS, RECIPE, SYNTHETIC, Layout
from pipeline.storage.ownership import owned

MADE_ANEW = "made anew: files, code, params or inputs had changed"
MADE_AGAIN = "made again: its files were not here, nor in DVC's cache"
JUDGED_ANEW = "judged anew: params or code that judge had changed"


@task(name="chain", task_run_name="{arm}/seed{seed}", cache_policy=NO_CACHE)
def run_chain(root: str, arm: str, seed: int, generations: int, fingerprint: str) -> int:
    """Make every generation of a chain that is not current; gives how many were made.

    `fingerprint` is that of the params that the run started with.
    """
    began = time.monotonic()
    os.chdir(root)
    params, chain = load(Path(PARAMS)), Chain(arm, seed)
    if params.fingerprint != fingerprint:
        raise RunFailed(f"{chain}: params.yaml has changed since this run started; start again")
    layout = Layout(params.experiment)
    folders = [layout.generation(chain, number) for number in range(1, generations + 1)]

    def say(number: int, step: str | None = None, made: bool = False, anew: str = "") -> None:
        announce(layout.chain(chain), Announcement(number, time.monotonic() - began, step, made, anew))

    with owned(layout.chain(chain)):
        versions = Versions(params)
        current, judged = prepare_again(versions, params, chain, folders)
        made = 0
        for number, folder in enumerate(folders, start=1):
            if halted(layout.chain(chain)):
                break
            if made:
                current, judged = recheck(versions, params, chain, number, current, judged)
            remade = folder not in current
            there, here = digests(folder), (folder / SYNTHETIC).exists()
            if remade:
                patiently(params, layout.chain(chain), partial(make, versions, params, chain, number, partial(say, number)))
                made += 1
            elif folder not in judged:
                say(number, JUDGE)
                judge(params, chain, number, _recorded(versions, folder, JUDGED))
            rejudged = remade or folder not in judged
            changed = MADE_ANEW if here else MADE_AGAIN
            anew = changed if remade and there else JUDGED_ANEW if rejudged and METRICS in there else ""
            say(number, made=rejudged, anew=anew)
            if rejudged or number == generations:
                let_go(versions, params, chain, number)
    return made


def make(versions: Versions, params: Params, chain: Chain, number: int, begins: Callable[[str], None]) -> None:
    """One generation, step by step, judged, and recorded; `begins` hears of each step.

    One that cannot be judged is recorded all the same, without its metrics: what it cost is not lost with a metric's mistake.
    """
    folder, broken = Layout(params.experiment).generation(chain, number), None
    with transaction(params, chain, number, _recorded(versions, folder)) as job:
        for name in job.strategy.steps:
            begins(name)
            step_task(name)(job)
        conclude(job)
        begins(JUDGE)
        try:
            judge(params, chain, number, folder=job.work)
        except Broken as error:
            broken = error
    if broken is not None:
        raise broken


@task(name=JUDGE, task_run_name="judge g{number}", cache_policy=NO_CACHE)
def judge(params: Params, chain: Chain, number: int, recording: Recording | None = None, folder: Path | None = None) -> None:
    """A generation's metrics and picture."""
    judge_generation(params, chain, number, recording, folder)


@contextmanager
def _recorded(versions: Versions, folder: Path, stage: str | None = None) -> Iterator[None]:
    """Record a stage of a generation, or both as far as they are there."""
    with versions.held():
        yield
        stage = stage or (None if (folder / METRICS).exists() else GENERATION)
        commit(versions, folder, f"{folder / RECIPE}:{stage}" if stage else str(folder / RECIPE))


@task(name="commit", task_run_name="commit {folder.name}", cache_policy=NO_CACHE)
def commit(versions: Versions, folder: Path, target: str) -> None:
    """Record a generation, or a stage of it, in DVC."""
    with timed(folder.parent, "commit", generation=int(folder.name[1:])):
        versions.commit(target)


@cache
def step_task(name: str) -> Task[[Job], None]:
    """A step of a generation as a Prefect task."""

    @task(name=name, task_run_name=f"{name} g{{job.generation}}", cache_policy=NO_CACHE)
    def step(job: Job) -> None:
        run_step(job, name)

    return step
