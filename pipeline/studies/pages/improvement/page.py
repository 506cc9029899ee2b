"""The page of study `improvement`: what its points say, and a figure."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.intervals import bootstrap, columns
from pipeline.studies.bench.study import Summary, diverged_as_infinite
from pipeline.studies.pages.improvement.optimum import best_guidances, falls
from pipeline.studies.points.improvement.point import Settings
from pipeline.views.report.figures import band, floor_line
from pipeline.views.report.palette import GREY, MARKERS, Look, shades


def summary(settings: Settings, results: pd.DataFrame) -> Summary:
    """Each strategy's best (n, budget, w) on the selection seeds, and what it gives on the reporting seeds."""
    chosen, reported = split(settings, results)
    rows, sentences = [], []
    for strategy in settings.strategies:
        best = selected(chosen, strategy)
        mine = _at(reported, strategy, best)
        if mine.empty:
            continue
        gain = bootstrap(1 - mine["fid"] / mine["fid_base"])
        row = {"strategy": strategy, **best, "seeds": len(mine), "fid_base": mine["fid_base"].mean(), "fid": mine["fid"].mean()}
        row |= {"gain": gain.value, "gain_low": gain.low, "gain_high": gain.high}
        rows.append(row | columns("fid", mine["fid"]) | columns("gain", 1 - mine["fid"] / mine["fid_base"]))
        sentences.append(
            f"{strategy} (w = {best['w']:g}, |S| = {best['n']}, {best['budget']} steps, chosen on other seeds):"
            f" FID {mine['fid_base'].mean():.3g} -> {mine['fid'].mean():.3g}, {100 * gain.value:.0f} % lower"
            f" ({100 * gain.low:.0f} to {100 * gain.high:.0f} %, {len(mine)} seeds)"
        )
    grid = reported if len(reported) else chosen
    tables = {
        "selected": pd.DataFrame(rows),
        "best w for each budget": best_guidances(grid),
        "does the best w fall?": falls(grid),
    }
    return Summary("; ".join(sentences), tables)


def plot(settings: Settings, results: pd.DataFrame) -> Figure:
    """FID against w for every budget and a heat map of both, at the selected |S|; the best w against the budget."""
    chosen, reported = split(settings, results)
    grid = reported if len(reported) else chosen
    best, strategies = best_guidances(grid), settings.strategies
    figure, axes = plt.subplots(3, len(strategies), figsize=(5.5 * len(strategies), 11.5), squeeze=False, layout="constrained")
    for strategy, curve_axes, map_axes, best_axes in zip(strategies, *axes):
        n = selected(chosen, strategy)["n"]
        mine = grid[(grid["strategy"] == strategy) & (grid["n"] == n)]
        for look, (budget, part) in zip(_sequence(mine["budget"].nunique()), mine.groupby("budget")):
            band(curve_axes, part.groupby("w")["fid"], f"{budget} steps", look)
        curve_axes.axhline(mine["fid_base"].mean(), color=GREY, linestyle="--", linewidth=1, label="base")
        floor_line(curve_axes, mine)
        curve_axes.set(
            xlabel="w", ylabel="FID", title=f"{strategy}, |S| = {n}: mean and range of {mine['seed'].nunique()} seeds"
        )
        curve_axes.set_ylim(0, 2 * mine["fid_base"].mean())
        curve_axes.legend(fontsize=8)
        _heat_map(figure, map_axes, mine)
        sizes = best[best["strategy"] == strategy]
        for look, (size, part) in zip(_sequence(sizes["n"].nunique()), sizes.groupby("n")):
            below, above = part["best_w"] - part["best_w_low"], part["best_w_high"] - part["best_w"]
            best_axes.errorbar(
                part["budget"],
                part["best_w"],
                np.array([below, above]).clip(min=0),
                color=look.colour,
                marker=look.marker,
                markersize=4,
                capsize=3,
                label=f"|S| = {size}",
            )
        best_axes.set(xlabel="steps of the auxiliary", ylabel="best w, interval over seeds", xscale="log", ylim=(0, None))
        best_axes.set_xticks(settings.budgets, [str(budget) for budget in settings.budgets])
        best_axes.minorticks_off()
        best_axes.legend(fontsize=8)
    return figure


def _sequence(count: int) -> list[Look]:
    """So many looks, dark to light, with markers in turn."""
    return [Look(shade, *MARKERS[place % len(MARKERS)]) for place, shade in enumerate(shades(count))]


def _heat_map(figure: Figure, axes: Axes, rows: pd.DataFrame) -> None:
    """Mean FID over budget and w."""
    table = rows.pivot_table(index="budget", columns="w", values="fid")
    image = axes.imshow(table, aspect="auto", vmin=table.min().min(), vmax=2 * rows["fid_base"].mean(), cmap="viridis_r")
    axes.set(xticks=range(len(table.columns)), yticks=range(len(table.index)), xlabel="w", ylabel="steps of the auxiliary")
    axes.set_xticklabels([f"{w:g}" for w in table.columns])
    axes.set_yticklabels(table.index)
    figure.colorbar(image, ax=axes, label="FID")


def split(settings: Settings, results: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of the selection seeds and of the reporting seeds."""
    selecting = results["seed"].isin(settings.selection_seeds)
    known = diverged_as_infinite(results)
    return known[selecting], known[~selecting]


def selected(chosen: pd.DataFrame, strategy: str) -> dict[str, Any]:
    """The place on the grid with the lowest mean FID relative to the base, over the selection seeds."""
    mine = chosen[chosen["strategy"] == strategy]
    relative = (mine["fid"] / mine["fid_base"]).groupby([mine["n"], mine["budget"], mine["w"]]).mean()
    return dict(zip(("n", "budget", "w"), relative.idxmin()))


def _at(rows: pd.DataFrame, strategy: str, place: dict[str, Any]) -> pd.DataFrame:
    here = rows["strategy"] == strategy
    for axis, value in place.items():
        here &= rows[axis] == value
    return rows[here]
