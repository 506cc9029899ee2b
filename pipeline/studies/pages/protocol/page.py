"""The page of study `protocol`: the table that a paper has, with what each figure cost and how many samples it is of."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from pipeline.studies.bench.study import Summary, diverged_as_infinite
from pipeline.studies.points.protocol.point import REPORT, SELECT, Settings
from pipeline.views.report.figures import band, floor_line
from pipeline.views.report.palette import GREY, MARKERS, Look, shades

PUBLISHED = 50_000
"""The number of samples that published FIDs are of: FID is biased, and with fewer it is higher."""


def summary(settings: Settings, results: pd.DataFrame) -> Summary:
    """The base and each strategy at the budget that the samples to choose by prefer, and the table of all budgets."""
    rows, grid = table(results), diverged_as_infinite(results)
    title = f"w chosen on {settings.protocol.select} samples, reported on {settings.protocol.report} others{_few(settings)}"
    grid = grid[grid["phase"] == SELECT].pivot_table(index=["strategy", "budget", "seed"], columns="w", values="fid")
    of_grid = grid.rename(columns=lambda w: f"w = {w:g}").reset_index()
    tables = {title: rows, f"FID of {settings.protocol.select} samples on the grid, to choose by alone": of_grid}
    chosen = rows[rows["chosen"]].groupby("strategy", sort=False)
    said = "; ".join(_sentence(str(strategy), part) for strategy, part in chosen)
    return Summary(f"{said}. Protocol: {title}", tables)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """A row for the base and every strategy and budget of a seed: w, FID, its costs, and both numbers of samples.

    `seconds_training` is the fine-tuning's, up to the budget, or the guide's; `seconds_sampling` that of the reported samples,
    with their judging. Both are blank where the point was made on another machine. `chosen` marks the budget with the lowest
    FID on the samples to choose by, `n_auxiliary` is |S|.
    """
    seconds, known = results.attrs.get("seconds", {}), diverged_as_infinite(results)
    rows = []
    for (seed, strategy, budget), part in known.groupby(["seed", "strategy", "budget"], sort=False):
        reported = part[part["phase"] == REPORT].iloc[0]
        selecting = part[part["phase"] == SELECT]
        row = {"seed": seed, "strategy": strategy, "steps": budget, "w": reported["w"], "fid": reported["fid"]}
        row |= {"nfe": reported["nfe"], "images_seen": reported["images_seen"]} | _times(seconds.get(str(seed), {}), reported)
        row |= {"n_auxiliary": reported["n_auxiliary"], "fid_select": selecting["fid"].min()}
        row |= {"n_select": selecting["n"].iloc[0], "n_report": reported["n"]}
        rows.append(row | {"n_report_is": "as published" if reported["n"] >= PUBLISHED else f"below {PUBLISHED}"})
    found = pd.DataFrame(rows)
    best = found.groupby(["seed", "strategy"])["fid_select"].idxmin()
    return found.assign(chosen=found.index.isin(best))


def plot(settings: Settings, results: pd.DataFrame) -> Figure:
    """FID against w on the samples to choose by, for every budget; the reported ones as crosses."""
    known, strategies = diverged_as_infinite(results), settings.strategies
    figure, axes = plt.subplots(1, len(strategies), figsize=(5.5 * len(strategies), 4.5), squeeze=False, layout="constrained")
    base = known[known["strategy"] == "base"].set_index("phase")["fid"]
    for strategy, at in zip(strategies, axes[0]):
        mine = known[known["strategy"] == strategy]
        budgets = mine.groupby("budget")
        for place, (colour, (budget, part)) in enumerate(zip(shades(budgets.ngroups), budgets)):
            look = Look(colour, *MARKERS[place % len(MARKERS)])
            band(at, part[part["phase"] == SELECT].groupby("w")["fid"], f"{budget} steps", look)
            reported = part[part["phase"] == REPORT]
            at.plot(reported["w"], reported["fid"], "x", color=colour, markersize=8)
        for phase, style in ((SELECT, "--"), (REPORT, "-.")):
            label = f"base, {getattr(settings.protocol, phase)} samples"
            at.axhline(base[[phase]].mean(), color=GREY, linestyle=style, linewidth=1, label=label)
        floor_line(at, mine)
        at.set(xlabel="w", ylabel=f"FID of {settings.protocol.select} samples (crosses: {settings.protocol.report} others)")
        at.set_title(strategy)
        at.legend(fontsize=8)
    return figure


def _few(settings: Settings) -> str:
    """What is to be said of a report that published figures are not to be held beside."""
    if settings.protocol.report >= PUBLISHED:
        return ""
    return f": fewer than {PUBLISHED}, so not to be compared with published FIDs"


def _sentence(strategy: str, part: pd.DataFrame) -> str:
    """One strategy's figure: the mean over seeds, and what it is of."""
    fid, n = part["fid"].mean(), len(part)
    seeds = f", {n} seeds" if n > 1 else ""
    if strategy == "base":
        return f"base: FID {fid:.3g} ({part['nfe'].iloc[0]} NFE{seeds})"
    ws, images = ", ".join(f"{w:g}" for w in part["w"]), " or ".join(str(images) for images in part["images_seen"].unique())
    return f"{strategy}: FID {fid:.3g} (w = {ws}, {images} images seen, {part['nfe'].iloc[0]} NFE{seeds})"


def _times(seconds: dict[str, float], reported: Any) -> dict[str, float | None]:
    """What the reported figure took, as the point noted it."""
    strategy, budget, w = reported["strategy"], reported["budget"], reported["w"]
    what = f"{strategy}-{budget}-{w:g}" if w else "base"
    trained = (
        name
        for name in seconds
        if name.startswith(f"guide-{budget}" if strategy == "autoguidance" else f"auxiliary-{budget}-of-")
    )
    training = 0.0 if strategy == "base" else next((seconds[name] for name in trained), None)
    return {"seconds_training": training, "seconds_sampling": seconds.get(f"{REPORT}-{reported['n']}-{what}")}
