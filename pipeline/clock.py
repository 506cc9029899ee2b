"""Where the time goes: every step's duration in untracked files, and the table of a run.

Times are no results: they stay out of DVC.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from pipeline.layout import TIMINGS, Layout

RUN, PREPARATION = "run", ("data", "base")
COMPUTING = ("train", "sample", "fine-tune", "guided sample", "evaluate")


@contextmanager
def timed(folder: Path, step: str, **where: int) -> Iterator[None]:
    """Note how long the block took."""
    began, started = time.time(), time.perf_counter()
    yield
    note(folder, step, began, time.perf_counter() - started, **where)


def note(folder: Path, step: str, began: float, seconds: float, **where: int) -> None:
    """Append a step's start (seconds since the epoch), duration and process to the folder's timings."""
    row = {"step": step, **where, "seconds": round(seconds, 4), "began": round(began, 3), "pid": os.getpid()}
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / TIMINGS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def timings(layout: Layout, since: float = 0.0) -> pd.DataFrame:
    """All recorded steps that began at or after `since`: columns chain, step, generation, seconds, began, pid."""
    columns = ["chain", "step", "generation", "seconds", "began", "pid"]
    rows = []
    for path in sorted(layout.runs.rglob(TIMINGS)):
        chain = path.parent.relative_to(layout.runs).as_posix()
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                rows.append({"chain": chain, **json.loads(line)})
            except json.JSONDecodeError:  # the last line of a killed run
                continue
    frame = pd.DataFrame(rows, columns=columns)
    return frame[frame["began"] >= since].reset_index(drop=True)


def last_run(layout: Layout) -> tuple[float, float] | None:
    """When the last whole run began and ended, in seconds since the epoch."""
    runs = timings(layout).query("step == @RUN").sort_values("began")
    return None if runs.empty else (float(runs["began"].iloc[-1]), float((runs["began"] + runs["seconds"]).iloc[-1]))


def time_table(layout: Layout, began: float, ended: float) -> pd.DataFrame:
    """Where a run's wall time went: columns what, seconds, share.

    Chains run side by side, so the steps are those of the busiest process: the one that the others' end waited for.
    Orchestration is whatever is neither preparation nor one of its computing steps.
    """
    rows, wall = timings(layout, began).query("began <= @ended"), ended - began
    prepared = rows[rows["step"].isin(PREPARATION)]["seconds"].sum()
    chained = rows[rows["step"].isin([*COMPUTING, "commit", "track"])]
    table: list[tuple[str, float]] = []
    startup = wall - prepared
    if len(chained):
        busiest = chained.groupby("pid")["seconds"].sum().idxmax()
        mine = chained[chained["pid"] == busiest]
        sums = mine.groupby("step")["seconds"].sum()
        first, last = mine["began"].min(), (mine["began"] + mine["seconds"]).max()
        startup = first - began - prepared
        table += [(step, float(sums.get(step, 0.0))) for step in COMPUTING]
        table += [("DVC (commit)", float(sums.get("commit", 0.0))), ("MLflow (track)", float(sums.get("track", 0.0)))]
        table += [("Prefect and the rest of the loop", last - first - float(sums.sum()))]
        table += [("waiting for the last chain, report", ended - last)]
    table = [("start-up, imports, server", startup), ("data and base models", prepared), *table]
    frame = pd.DataFrame(table, columns=["what", "seconds"])
    computing = frame["what"].isin(["data and base models", *COMPUTING])
    total = frame["seconds"].sum()
    extra = [("total", total), ("of which orchestration", total - frame[computing]["seconds"].sum())]
    frame = pd.concat([frame, pd.DataFrame(extra, columns=["what", "seconds"])], ignore_index=True)
    frame["share"] = frame["seconds"] / total
    return frame
