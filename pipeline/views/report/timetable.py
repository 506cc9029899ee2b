"""Where the time of a run went, from the notes of `pipeline.storage.clock`."""

import json

import pandas as pd

from pipeline.storage.layout import TIMINGS, Layout

PREPARATION = ("data", "extractor", "floor", "base")
COMMIT, TRACK = "commit", "track"
BESIDE = "beside the chains: MLflow, artifacts (of all chains' time)"
NO_STEPS = (COMMIT, TRACK, "run", *PREPARATION)
"""What is noted beside the computing steps of generations."""


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


def steps_of(rows: pd.DataFrame) -> list[str]:
    """The computing steps in a table of timings, in the order in which they were first made."""
    return [step for step in rows.sort_values("began")["step"].unique() if step not in NO_STEPS]


def last_run(layout: Layout) -> tuple[float, float] | None:
    """When the last whole run began and ended, in seconds since the epoch."""
    runs = timings(layout).query("step == 'run'").sort_values("began")
    return None if runs.empty else (float(runs["began"].iloc[-1]), float((runs["began"] + runs["seconds"]).iloc[-1]))


LONG = 60.0
"""Seconds of computing from which on the share of orchestration says something: starting takes the same for all."""


def time_table(layout: Layout, began: float, ended: float) -> pd.DataFrame:
    """Where a run's wall time went: columns what, seconds, share.

    Chains run side by side, so the steps are those of the busiest process: the one that the others' end waited for.
    Orchestration is whatever is neither preparation nor one of its computing steps. What the flow's process does beside the
    chains, which it lets go first, is no part of the total: its share is that of the time that all chains computed.
    """
    rows, wall = timings(layout, began).query("began <= @ended"), ended - began
    prepared = rows[rows["step"].isin(PREPARATION)]["seconds"].sum()
    chained = rows[~rows["step"].isin([step for step in NO_STEPS if step != COMMIT])]
    computing = steps_of(chained)
    table: list[tuple[str, float]] = []
    startup = wall - prepared
    if len(chained):
        busiest = chained.groupby("pid")["seconds"].sum().idxmax()
        mine = chained[chained["pid"] == busiest]
        sums = mine.groupby("step")["seconds"].sum()
        first, last = mine["began"].min(), (mine["began"] + mine["seconds"]).max()
        startup = first - began - prepared
        table += [(step, float(sums.get(step, 0.0))) for step in computing]
        table += [("DVC (commit)", float(sums.get(COMMIT, 0.0)))]
        table += [("Prefect and the rest of the loop", last - first - float(sums.sum()))]
        table += [("waiting for the last chain, report", ended - last)]
    table = [("start-up, imports, server", startup), ("data and base models", prepared), *table]
    frame = pd.DataFrame(table, columns=["what", "seconds"])
    total, useful = frame["seconds"].sum(), frame[frame["what"].isin(["data and base models", *computing])]["seconds"].sum()
    extra = [("total", total), *([("of which orchestration", total - useful)] if useful >= LONG else [])]
    frame = pd.concat([frame, pd.DataFrame(extra, columns=["what", "seconds"])], ignore_index=True)
    frame["share"] = frame["seconds"] / total
    tracking, all_chains = rows[rows["step"] == TRACK]["seconds"].sum(), chained["seconds"].sum()
    frame.loc[len(frame)] = [BESIDE, tracking, tracking / all_chains if all_chains else 0.0]
    return frame
