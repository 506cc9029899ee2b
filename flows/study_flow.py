"""The flow `study`: the points of a study side by side, each recorded as it comes, then its page."""

import os
import re
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, task
from prefect.artifacts import create_link_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from pydantic import AfterValidator

from flows.engine import POOLS, TICK_SECONDS, at_once, failure_of, has_ended
from flows.known import project_root
from flows.processes import say_stopped, yield_to_others
from flows.server.cancellation import cancellable, stay_cancelled
from flows.watching.long_steps import clock
from flows.watching.progress import say
from flows.watching.showing import attempt
from pipeline.experiment.errors import GOES_ON, RunFailed, as_value_error
from pipeline.records.repository import Versions
from pipeline.storage.layout import PARAMS, RECIPE
from pipeline.storage.ownership import owned
from pipeline.studies.bench.study import Study, load_study, make_point
from pipeline.studies.kind import kind_of
from pipeline.studies.page import writing
from pipeline.studies.recipe import rendered
from pipeline.studies.variant import variant
from pipeline.views.mlflow.point_runs import PointTracker
from pipeline.views.mlflow.store import Store


def _known(name: str) -> str:
    """Refuse an unknown study where Prefect validates the parameters, before anything starts."""
    os.chdir(project_root())
    with as_value_error():
        kind_of(load_study(name))
    return name


@flow(name="study", flow_run_name="{name}", on_cancellation=[say_stopped], on_crashed=[stay_cancelled])
def study(name: Annotated[str, AfterValidator(_known)], preset: str | None = None) -> None:
    """Make the points of a study that are not current, and its page.

    Args:
        name: a folder of `studies`.
        preset: another preset of the loop than the study's own; kept as a study of its own, NAME-PRESET.
    """
    root = project_root()
    os.chdir(root)
    made = load_study(variant(name, preset))
    with owned(made.folder), rendered(made), cancellable():
        versions = Versions()
        failures = _points(root, made, stale_points(versions, made), versions)
        if made.results().empty:
            raise RunFailed(f"{'; '.join(failures)}; {GOES_ON}")
        path, summary = writing.build(made)
        versions.commit(f"{made.folder / RECIPE}:page")
    name_there = re.sub(r"[^a-z0-9]+", "-", f"study-{made.name}".lower())  # Prefect's keys take nothing else
    for title, table in summary.tables.items():
        attempt(partial(create_table_artifact, table.to_dict("records"), name_there, title))
    attempt(lambda: create_link_artifact(path.resolve().as_uri(), "report", f"{name_there}-report", summary.text))
    if failures:
        raise RunFailed(f"{'; '.join(failures)}; {GOES_ON}")


def stale_points(versions: Versions, made: Study) -> list[dict[str, Any]]:
    """The points that are missing, or no longer fit params and code."""
    recipe = made.folder / RECIPE
    stale = versions.stale(str(recipe))
    return [at for at in made.points if f"{recipe}:point@{made.key(at)}" in stale or not made.path(at).exists()]


def _points(root: Path, made: Study, waiting: list[dict[str, Any]], versions: Versions) -> list[str]:
    """Make points, as many at once as there is room for; gives what failed."""
    if not waiting:
        return []
    params = made.params_at(waiting[0])
    store, failures, total = Store(f"study-{made.name}"), list[str](), len(waiting)
    running: dict[PrefectFuture[None], dict[str, Any]] = {}
    size, done, began = at_once(params, total), 0, time.monotonic()
    with POOLS[params.engine.kind](root, params, size) as runner:
        while waiting or running:
            while waiting and len(running) < size:
                at = waiting.pop(0)
                running[runner.submit(run_point, {"root": str(root), "name": made.name, "at": at})] = at
            time.sleep(TICK_SECONDS)
            for future in [each for each in running if has_ended(each)]:
                yield_to_others()  # by now the workers are there
                at = running.pop(future)
                done += 1
                failed = failure_of(f"{made.name} {made.key(at)}", future)
                if failed:
                    failures.append(failed)
                    continue
                if load_study(made.name) != made:
                    raise RunFailed(f"{made.folder / PARAMS} has changed since this run started; start again")
                versions.commit(f"{made.folder / RECIPE}:point@{made.key(at)}")
                store.attempt(lambda at=at: PointTracker(store, made, at).track())  # type: ignore[misc]
                left = (time.monotonic() - began) / done * (total - done)
                say(f"{made.name:<20} point {done:>3}/{total}  {made.key(at):<24} left {clock(left)}")
    return failures


@task(name="point", task_run_name="{at}", cache_policy=NO_CACHE)
def run_point(root: str, name: str, at: dict[str, Any]) -> None:
    """Make one point of a study."""
    os.chdir(root)
    made = load_study(name)
    kind, settings = kind_of(made)
    make_point(made, kind.point, settings, at)
