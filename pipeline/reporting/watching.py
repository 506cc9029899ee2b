"""`report --watch`: the report is rebuilt whenever a new generation is there, until all chains are complete."""

import sys
import time
from pathlib import Path

from pipeline.files import write_text
from pipeline.layout import LOCK, Layout
from pipeline.params import Params
from pipeline.reporting import report


def watch(params: Params, every: float) -> Path:
    """Rebuild the report at each new generation, look every so many seconds, and give the page's path when all is complete.

    Meanwhile the page reloads itself; it no longer does when this ends, however it ends.
    """
    layout, seen, told = Layout(params.experiment), None, False
    try:
        while True:
            now = _made(layout)
            if now == seen:
                time.sleep(every)
            elif not layout.facts.exists():
                if not told:
                    print(f"waiting for {params.experiment} to begin", file=sys.stderr)
                told = True
                time.sleep(every)
            else:
                seen, built = now, report.write(params, reload=every)
                print(f"{built.made} of {built.expected} generations: {built.page}", file=sys.stderr)
                if built.made >= built.expected:
                    return built.page
    finally:
        if layout.page.exists():
            write_text(layout.page, report.still(layout.page.read_text(encoding="utf-8")))


def _made(layout: Layout) -> list[tuple[str, int]]:
    """The locks of all generations, and when each was written: cheap to look at, and new with every commit."""
    found = []
    for path in sorted(layout.runs.glob(f"*/seed*/g*/{LOCK}")):
        try:
            found.append((str(path), path.stat().st_mtime_ns))
        except FileNotFoundError:  # it is being replaced
            continue
    return found
