"""Study `improvement`: a single model, better than itself. FID against the guidance w, for auxiliary budgets and sizes of S.

One base and one fine-tuning a point (its weight averages are looked at along the way), many samplings. SIMS and Neon use the
same networks and the same latents as the base.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import Field

from models.denoiser import Denoise, Denoiser
from models.guidance import merged, sims
from models.training import CHUNK_STEPS, State, chunk_steps, train
from pipeline import compute
from pipeline.datasets import Array, Points, dataset, decode
from pipeline.job import draw, load_model
from pipeline.layout import BASE
from pipeline.machine import device_of
from pipeline.measures.evaluation import fid
from pipeline.measures.intervals import bootstrap
from pipeline.params import Params
from pipeline.reporting.figures import band, floor_line
from pipeline.sections import Guidance, Section, Seed
from pipeline.studies.optimum import best_guidances, falls
from pipeline.studies.study import Bench, Row, Summary, diverged_as_infinite, guided_fid

COMBINE: dict[str, Callable[[Denoiser, Denoiser, float], Denoise]] = {"sims": sims, "neon": merged}


@dataclass
class Snapshots:
    """Keeps the weight average at some steps of a training, which asks for it where it would keep a checkpoint."""

    wanted: list[int]
    kept: dict[int, State] = field(default_factory=dict)

    def load(self) -> None:
        """There is nothing to go on from."""

    def keep(self, state: State) -> None:
        """Keep the averages of a step that is wanted."""
        if int(state["step"]) in self.wanted:
            prefix = "average."
            averages = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
            self.kept[int(state["step"])] = {name: value.clone() for name, value in averages.items()}


class Settings(Section):
    """`settings` of the study's file: who chooses and the grid; budgets are steps of one fine-tuning, multiples of 64."""

    selection_seeds: Annotated[list[Seed], Field(min_length=1)]
    budgets: Annotated[list[Annotated[int, Field(ge=CHUNK_STEPS, multiple_of=CHUNK_STEPS)]], Field(min_length=1)]
    guidances: Annotated[list[Guidance], Field(min_length=1)]
    strategies: Annotated[list[Literal["sims", "neon"]], Field(min_length=1)]


def check(settings: Settings, params: Params, axes: dict[str, list[Any]]) -> None:
    """Raise ValueError unless there are seeds to choose by and others to report by, and the budgets can be looked at."""
    strange = set(settings.selection_seeds) - set(axes["seed"])
    if strange:
        raise ValueError(f"settings.selection_seeds: {min(strange)} is not allowed: axes.seed has {axes['seed']}")
    if set(axes["seed"]) == set(settings.selection_seeds):
        raise ValueError(
            f"settings.selection_seeds: {settings.selection_seeds} is not allowed: no other seed is left to report by"
        )
    source = dataset(params)
    shape = source.truth.means.shape[1:] if isinstance(source, Points) else source.training.images.shape[1:]
    chunk = chunk_steps(torch.empty(1, *shape), compute.budget(params.auxiliary, params))
    if CHUNK_STEPS % chunk:
        raise ValueError(
            f"auxiliary.batch: {params.auxiliary.batch} is not allowed here: such batches are prepared {chunk} steps at a time,"
            f" so that the auxiliary cannot be looked at after every multiple of {CHUNK_STEPS}"
        )


def point(bench: Bench) -> list[Row]:
    """A base and an auxiliary on n of its samples: FID at every budget (in steps) and guidance, for SIMS and Neon."""
    params, settings = bench.params, bench.settings
    job, n = bench.base(), int(bench.at["n"])
    base, count = load_model(job, BASE), params.evaluation.n
    auxiliaries = snapshots(bench, base, draw(job, base, "auxiliary", n)[:n])
    fid_base = fid(params, draw(job, base, "synthetic", count))
    rows: list[Row] = []
    for budget, auxiliary in auxiliaries.items():
        for w in settings.guidances:
            for strategy in settings.strategies:
                reached = fid_base if w == 0 else guided_fid(job, COMBINE[strategy](base, auxiliary, w))
                rows.append({"strategy": strategy, "budget": budget, "w": w, "fid": reached, "fid_base": fid_base})
    return rows


def snapshots(bench: Bench, base: Denoiser, drawn: Array) -> dict[int, Denoiser]:
    """The auxiliary after each of the budgets (in steps) of one fine-tuning."""
    params, budgets = bench.params, list(bench.settings.budgets)
    longest = params.auxiliary.model_copy(update={"steps": max(budgets)})
    device, job = device_of(params), bench.job(1)
    kept = Snapshots(budgets)
    data = torch.from_numpy(decode(drawn)).to(device)

    def seed_of(stream: str, index: int) -> int:
        return job.seed(f"fine-tune-{stream}", index)

    train(base, data, compute.budget(longest, params), seed_of, kept, CHUNK_STEPS * longest.batch)
    auxiliaries = {}
    for budget in budgets:
        auxiliaries[budget] = compute.fresh_denoiser(params, drawn.shape[1:], 0).to(device).eval()
        auxiliaries[budget].load_state_dict(kept.kept[budget])
    return auxiliaries


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
        rows.append(row | {"gain": gain.value, "gain_low": gain.low, "gain_high": gain.high})
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
        for budget, part in mine.groupby("budget"):
            band(curve_axes, part.groupby("w")["fid"], f"{budget} steps")
        curve_axes.axhline(mine["fid_base"].mean(), color="grey", linestyle="--", linewidth=1, label="base")
        floor_line(curve_axes, mine)
        curve_axes.set(
            xlabel="w", ylabel="FID", title=f"{strategy}, |S| = {n}: mean and range of {mine['seed'].nunique()} seeds"
        )
        curve_axes.set_ylim(0, 2 * mine["fid_base"].mean())
        curve_axes.legend(fontsize=8)
        _heat_map(figure, map_axes, mine)
        for size, part in best[best["strategy"] == strategy].groupby("n"):
            below, above = part["best_w"] - part["best_w_low"], part["best_w_high"] - part["best_w"]
            best_axes.errorbar(
                part["budget"],
                part["best_w"],
                np.array([below, above]).clip(min=0),
                marker=".",
                capsize=3,
                label=f"|S| = {size}",
            )
        best_axes.set(xlabel="steps of the auxiliary", ylabel="best w, interval over seeds", xscale="log", ylim=(0, None))
        best_axes.set_xticks(settings.budgets, [str(budget) for budget in settings.budgets])
        best_axes.minorticks_off()
        best_axes.legend(fontsize=8)
    return figure


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
