"""`report --watch`: the report is rebuilt whenever there is something new, until all chains are complete or their run ends."""

import sys
import time
from pathlib import Path

from pipeline.chains import chains
from pipeline.files import write_text
from pipeline.layout import FAILURE, LOCK, RUNNER, Layout
from pipeline.ownership import owner
from pipeline.params import Params
from pipeline.reporting import report

PATIENCE_SECONDS = 60.0
"""So long `dvc repro` may be between two generations."""


def watch(params: Params, every: float) -> Path:
    """Rebuild the report at each new generation or failure, look every so many seconds, and give the page's path at the end.

    The end is when all chains are complete, or the run that was seen has ended in another way; before one it waits. Meanwhile
    the page reloads itself; it no longer does when this ends, however it ends.
    """
    layout, seen, until, told, complete = Layout(params.experiment), None, None, False, False
    try:
        while True:
            if (more := _at_work(params)) is not None:
                until = time.monotonic() + more
            over = more is None and until is not None and time.monotonic() > until  # asked first: no more will come
            now = _made(layout)
            if layout.facts.exists() and now != seen:
                seen, built = now, report.write(params, reload=every)
                print(f"{built.made} of {built.expected} generations: {built.page}", file=sys.stderr)
                complete = built.made >= built.expected
            if over and layout.facts.exists():
                report.write(params)  # says how every chain ended
            if over or (complete and more is None):
                return layout.page
            if until is None and not told:
                print(f"waiting for a run of {params.experiment} to begin", file=sys.stderr)
                told = True
            time.sleep(every)
    finally:
        if layout.page.exists():
            write_text(layout.page, report.still(layout.page.read_text(encoding="utf-8")))


def _at_work(params: Params) -> float | None:
    """For how many seconds more somebody is surely at work on the chains; None where nobody is now."""
    layout = Layout(params.experiment)
    folders = [layout.chain(chain) for chain in chains(params)]
    if any(owner(folder, RUNNER) is not None for folder in folders):
        return 0.0
    return PATIENCE_SECONDS if any(owner(folder) is not None for folder in folders) else None


def _made(layout: Layout) -> list[tuple[str, int]]:
    """The locks of all generations, and failures, and when each was written: cheap to look at, and new with every commit."""
    found = []
    for path in sorted([*layout.runs.glob(f"*/seed*/g*/{LOCK}"), *layout.runs.glob(f"*/seed*/{FAILURE}")]):
        try:
            found.append((str(path), path.stat().st_mtime_ns))
        except FileNotFoundError:  # it is being replaced
            continue
    return found
