"""Runs in a terminal: the commands `run` and `study`, with a Prefect server of their own where none answers."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from threading import Timer

from flows.processes import stop_by_signals
from flows.watching.progress import PLAIN, QUIET
from pipeline.experiment.errors import DESPITE, GOES_ON, BadInput, RunFailed, in_a_line
from pipeline.experiment.params import Params, load
from pipeline.storage.layout import PARAMS, RECIPE, Layout
from pipeline.storage.ownership import owned

SILENCE_SECONDS = 2.0
STARTING = "starting: Prefect's server and the libraries, then data and base models where they are missing"
"""What is said after so long a silence."""


def run(given: argparse.Namespace) -> None:
    """Run the experiment of params.yaml, or say that all is current."""
    stop_by_signals()
    if given.despite_disk:
        os.environ[DESPITE] = "1"
    params = load(Path(PARAMS))
    from flows.plan import everything_current, select
    from pipeline.making.environments import others
    from pipeline.records.claims import claimed
    from pipeline.records.remote import push_all
    from pipeline.records.repository import Versions
    from pipeline.storage.leftovers import sweep_studies

    sweep_studies()
    wanted = select(params, given.arm, given.seed, given.generations)
    layout = Layout(params.experiment)
    if everything_current(params, wanted):
        push_all(params, wanted)
        print(f"everything is up to date: {layout.page}")
        return
    from flows.preflight import check_surroundings

    check_surroundings(params)
    for line in others(params, wanted):
        print(f"warning: {line}", file=sys.stderr)
    versions = Versions(params)

    def meanwhile() -> None:
        from flows.watching.beforehand import making_watched
        from pipeline.making.preparation import prepare

        with making_watched(params, [chain.seed for chain in wanted]):
            prepare(versions, params, wanted)

    def flow() -> None:
        from flows.loop import self_consuming

        held.close()
        self_consuming(given.arm, given.seed, given.generations)

    with ExitStack() as held:
        held.enter_context(claimed(versions, layout, wanted))  # now rather than after the server's start and the base models
        _with_server(given, params, flow, meanwhile, layout.runs)
    _say_where(params)


def _with_server(
    given: argparse.Namespace,
    params: Params,
    flow: Callable[[], None],
    meanwhile: Callable[[], None] = lambda: None,
    notes: Path | None = None,
) -> None:
    """Run a flow; the server needs some seconds to start, in which something else can be done, like importing MLflow.

    What that takes is noted in the folder `notes`.
    """
    from flows.server import server

    os.environ |= server.QUIET | ({"PREFECT_LOGGING_LEVEL": "INFO", PLAIN: "1"} if given.verbose else {})
    if given.quiet:
        os.environ[QUIET] = "1"
    waiting = Timer(SILENCE_SECONDS, print, (STARTING,), {"file": sys.stderr, "flush": True})
    waiting.daemon = True
    with server.reachable() as prefect:
        if not given.quiet:
            waiting.start()
        from flows.pools.forking import preload

        preload(params)
        from prefect.exceptions import PrefectHTTPStatusError
        from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

        import flows.loop  # noqa: F401
        from flows.watching.showing import counted
        from pipeline.views.mlflow.store import library

        if prefect.process:  # it is starting, and has no pages; another one's pages show what the flow makes
            meanwhile()
        import pandas  # noqa: F401  which the report needs in any case, and MLflow imports, too

        if not server.answers(prefect.api):
            with counted(notes) if notes else nullcontext():
                library()
        server.wait(prefect)
        waiting.cancel()
        own = prefect.process is not None
        try:
            with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None} if own else {}):  # nobody listens to them
                flow()
        except (BadInput, RunFailed):
            raise
        except PrefectHTTPStatusError as error:  # a full disk is full for the server, too
            said = in_a_line(_behind(error) or error).removesuffix(f"; {GOES_ON}")
            raise RunFailed(f"{said} (Prefect's server fails, too: {server.LOG}); {GOES_ON}") from None
        except OSError as error:
            raise RunFailed(f"{in_a_line(error)}; {GOES_ON}") from None
        except Exception:
            if server.answers(prefect.api):
                raise
            raise RunFailed(f"the Prefect server at {prefect.api} is gone; {GOES_ON}") from None


def _behind(error: BaseException) -> BaseException | None:
    """What had failed before, when Prefect was told of it and failed."""
    found = error.__context__
    while found is not None and not isinstance(found, (RunFailed, OSError)):
        found = found.__context__
    return found


def study(given: argparse.Namespace) -> None:
    """Make the points of a study that are missing, and its page."""
    stop_by_signals()
    from pipeline.records.repository import Versions
    from pipeline.studies.bench.study import load_study
    from pipeline.studies.kind import kind_of
    from pipeline.studies.page import writing
    from pipeline.studies.recipe import render, rendered
    from pipeline.studies.variant import variant

    name = variant(given.name, given.preset)
    made = load_study(name)
    kind_of(made)
    recipe = made.folder / RECIPE
    if given.recipe:
        render(made)
        print(recipe)
        return
    with owned(made.folder), rendered(made):  # said now rather than after the server's start
        current = not Versions().stale(str(recipe))
    if current:
        print(f"everything is up to date: {writing.location(made)}")
        return

    from flows.preflight import check_surroundings

    check_surroundings(made.params(0))

    def flow() -> None:
        from flows.study_flow import study as make_study

        make_study(name)

    _with_server(given, made.params(0), flow)
    path, summary = writing.build(made)
    print(f"{summary.text}\n\nreport   {path}")


def _say_where(params: Params) -> None:
    from pipeline.storage.clock import process_start
    from pipeline.views.report.timetable import time_table

    layout = Layout(params.experiment)
    table = time_table(layout, process_start(), time.time())
    table["share"] = table["share"].map("{:.1%}".format)
    print(table.to_string(index=False, formatters={"seconds": "{:.1f}".format}))
    print(f"\nreport   {layout.page}")
    say_curves(params)


def say_curves(params: Params) -> None:
    """Say where the curves are: at an address, which `self-consuming ui` opens for a store on this machine."""
    from pipeline.views.mlflow.chain_runs import store_of
    from pipeline.views.mlflow.overview import Overview
    from pipeline.views.mlflow.store import curves, store_uri

    address = None
    with suppress(Exception):  # that MLflow is away was said before
        address = Overview(store_of(params), params).address()
    if address is None or store_uri().startswith("http"):
        print(f"curves   {address or curves()}")
    else:
        print(f"curves   self-consuming ui, or {curves()}; then {address}")
