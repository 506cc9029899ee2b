"""`report --watch`: the page is rebuilt whenever there is something new, until all chains are complete or their run ends."""

import sys
import time
from pathlib import Path

from pipeline.experiment.chains import Chain, lengths
from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import Params, load
from pipeline.recipes.rendering import rendered
from pipeline.storage.layout import FAILURE, LOCK, PARAMS, RUNNER, Layout
from pipeline.storage.ownership import owner
from pipeline.views.report import report
from pipeline.views.report.results import collect
from pipeline.views.report.timetable import last_run

PATIENCE_SECONDS = 60.0
"""So long `dvc repro` may be between two generations."""
Noted = list[tuple[str, int]]


def watch(every: float) -> Path:
    """Rebuild the page at each new generation or failure, look every so many seconds, and give the page's path at the end.

    The end is when all chains are complete, or the run that was seen has ended in another way; before one it waits. Meanwhile
    the page reloads itself; it no longer does when this ends, however it ends. Whatever the run reports itself stays.
    """
    params, watching_since = load(Path(PARAMS)), time.time()
    seen, until, told, complete, pages = None, None, False, False, set[Path]()
    try:
        while True:
            former, params = params, _reloaded(params)
            if params.experiment != former.experiment:
                seen, until, told = None, None, False
            layout, longer = Layout(params.experiment), rendered(params)
            pages.add(layout.page)
            ended = until is None and _has_ended(layout, watching_since)  # asked first: a run that goes on notes failures, too
            if (more := _at_work(layout)) is not None:
                until = time.monotonic() + more
            over = more is None and (ended or (until is not None and time.monotonic() > until))  # no more will come
            noted = _noted(layout)
            if layout.facts.exists() and (now := (params, longer, noted)) != seen:
                complete = _rebuild(params, longer, noted, every, first=seen is None)
                seen = now
            if over and report.is_preview(layout.page):
                report.preview(params, longer, reload=None)  # says how every chain ended
            if over or (complete and more is None):
                return layout.page
            if until is None and not told:
                print(f"waiting for a run of {params.experiment} to begin", file=sys.stderr)
                told = True
            time.sleep(every)
    finally:
        for page in pages:
            report.settle(page)


def _reloaded(params: Params) -> Params:
    """Today's params; those of before while the file is being edited."""
    try:
        return load(Path(PARAMS))
    except (BadInput, OSError):
        return params


def _rebuild(params: Params, longer: dict[Chain, int], noted: Noted, every: float, first: bool) -> bool:
    """Rebuild the page unless a run has reported all that is noted; says whether all chains are complete.

    At first it is rebuilt all the same where something is missing: it is to reload itself.
    """
    page, made = Layout(params.experiment).page, len(collect(params, longer))
    expected = sum(lengths(params, longer).values())
    complete = made >= expected
    reported = page.exists() and not report.is_preview(page) and page.stat().st_mtime_ns >= max([0, *dict(noted).values()])
    if not reported or (first and not complete):
        report.preview(params, longer, reload=every)
    print(f"{made} of {expected} generations: {page}", file=sys.stderr)
    return complete


def _at_work(layout: Layout) -> float | None:
    """For how many seconds more somebody is surely at work on the chains; None where nobody is now."""
    folders = list(layout.runs.glob("*/seed*"))
    if any(owner(folder, RUNNER) is not None for folder in folders):
        return 0.0
    return PATIENCE_SECONDS if any(owner(folder) is not None for folder in folders) else None


def _has_ended(layout: Layout, since: float) -> bool:
    """Whether a run has ended, or noted a failure, since then (in seconds since the epoch)."""
    run = last_run(layout)
    failures = [when for path, when in _noted(layout) if Path(path).name == FAILURE]
    return max([0.0, *(when / 1e9 for when in failures)] + ([run[1]] if run else [])) > since


def _noted(layout: Layout) -> Noted:
    """The locks of all generations, and failures, and when each was written: cheap to look at, and new with every commit."""
    found = []
    for path in sorted([*layout.runs.glob(f"*/seed*/g*/{LOCK}"), *layout.runs.glob(f"*/seed*/{FAILURE}")]):
        try:
            found.append((str(path), path.stat().st_mtime_ns))
        except FileNotFoundError:  # it is being replaced
            continue
    return found
