"""The page of study `mechanisms`: what its points say, and the picture of where denoisers go wrong."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from pipeline.analysis.intervals import columns, log_slope
from pipeline.analysis.theory import LEFT_OUT
from pipeline.studies.bench.study import Summary
from pipeline.studies.points.mechanisms.point import Settings
from pipeline.views.report.axes import generations, measured
from pipeline.views.report.figures import MARKS, floor_line
from pipeline.views.report.palette import Look, looks
from pipeline.views.report.results import TAIL

ERROR = "error at "
FEW = 1e-2, 0.5
"""The colours' ends, in units of the network's output, whose variance is 1."""


def summary(settings: Settings, results: pd.DataFrame) -> Summary:
    """Every setting's and arm's end in units of the control with the same seed and setting, over seeds; denoisers' errors."""
    unit = results[results["arm"] == settings.control].groupby(["noise", "seed"])["fid"].mean()
    usual = unit.groupby("seed").mean()
    rows, sentences = [], []
    for (noise, arm), part in results.groupby(["noise", "arm"], sort=False):
        length = int(part.groupby("seed")["generation"].max().min())
        curves = part[part["generation"] <= length].pivot(index="seed", columns="generation", values="fid")
        units = np.array([unit.get((noise, seed), usual.get(seed, np.nan)) for seed in curves.index])
        over = min(TAIL, max(1, length // 4))
        last = part[part["generation"].between(length - over + 1, length)]
        ends = curves.iloc[:, -over:].mean(axis=1).to_numpy() / units
        row = {"noise": noise, "arm": arm, "seeds": len(curves), "generations": length}
        row |= {"end": float(np.nanmean(ends))} | columns("end", ends)
        if length > 1:
            row |= {"later_most": float((curves.iloc[:, 1:].mean(axis=1).to_numpy() / units).max())}
        row |= {"end_predicted": float((last.groupby("seed")["predicted"].mean().to_numpy(dtype=float) / units).mean())}
        over_predicted = last.groupby("seed")["fid"].mean() / last.groupby("seed")["predicted"].mean().astype(float)
        row |= {"end_over_prediction_median": float(over_predicted.median())}
        for name in ("trace_ratio", "mean_error"):
            row |= columns(name, last.groupby("seed")[name].mean())
        if length > 2:
            slopes = np.array([log_slope(curve[None, 1:]) for curve in curves.to_numpy()])
            row |= columns("slope", slopes)
        rows.append(row)
        fresh = f"{row['end_fresh_low']:.3g} to {row['end_fresh_high']:.3g} for that of as many fresh ones"
        sentences.append(
            f"{noise}, {arm}: the last {over} of {length} generations are {row['end_median']:.3g} times the control in the"
            f" median of {len(curves)} seeds ({fresh})"
        )
    levels = [name for name in results if str(name).startswith(ERROR)]
    errors = results.groupby(["noise", "arm"], sort=False)[levels].median().reset_index()
    tables = {"the end, in units of the control of the same seed, and over the seeds": pd.DataFrame(rows)}
    tables |= {"the denoiser's error by noise level, in the median over seeds and generations": errors}
    return Summary("; ".join(sentences) + f". {LEFT_OUT}; the lower panels show the denoiser's", tables)


def plot(settings: Settings, results: pd.DataFrame) -> Figure:
    """Above the FID of every seed, with medians and theory; below the error of plain training's denoiser by noise level."""
    settings_there = list(dict.fromkeys(results["noise"]))
    figure, panels = plt.subplots(
        2, len(settings_there), figsize=(4.6 * len(settings_there), 8), squeeze=False, layout="constrained"
    )
    image, look = None, looks(map(str, results["arm"].unique()), settings.control)
    for name, column in zip(settings_there, panels.T):
        of_setting = results[results["noise"] == name]
        _curves(column[0], of_setting, look)
        mean, deviation = of_setting["p_mean"].iloc[-1], of_setting["p_std"].iloc[-1]
        column[0].set(
            title=f"{name}: ln sigma ~ N({mean:.2f}, {deviation:g}²)", xlabel="generation", ylabel="FID", yscale="log"
        )
        image = _errors(column[1], of_setting, settings.levels)
    for axes in panels[0]:
        measured(axes, results)
    if image is not None:
        figure.colorbar(image, ax=panels[1], label="denoiser's error, in units of the network's output")
    handles = panels[0, 0].get_legend_handles_labels()
    columns = min(5, 2 * len(settings_there))
    figure.legend(*handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
    return figure


def _curves(axes: Axes, rows: pd.DataFrame, look: dict[str, Look]) -> None:
    for arm, part in rows.groupby("arm", sort=False):
        colour, marker, _ = look[str(arm)]
        for _, chain in part.groupby("seed"):
            axes.plot(chain["generation"], chain["fid"], color=colour, linewidth=0.5, alpha=0.5)
        median = part.groupby("generation")["fid"].median()
        every = max(1, len(median) // MARKS)
        style: Any = {"color": colour, "marker": marker, "markersize": 4, "markevery": every}
        axes.plot(median, linewidth=2, label=f"{arm}, median", **style)
        if part["predicted"].notna().any():
            theory = part.groupby("generation")["predicted"].median().astype(float)
            axes.plot(theory, color=colour, linestyle="--", linewidth=1, label=f"{arm}, predicted")
    floor_line(axes, rows)
    generations(axes, int(rows["generation"].max()))


def _errors(axes: Axes, rows: pd.DataFrame, levels: list[float]) -> "plt.cm.ScalarMappable":
    """The median over seeds of the first arm's errors: a row a level, a column a generation."""
    arm = rows["arm"].iloc[0]
    of_arm = rows[rows["arm"] == arm]
    table = of_arm.groupby("generation")[[f"{ERROR}{level:g}" for level in levels]].median()
    edges = np.append(table.index.to_numpy() - 0.5, table.index.max() + 0.5)
    places = np.log10(levels)
    between = (places[1:] + places[:-1]) / 2
    heights = 10 ** np.concatenate([[2 * places[0] - between[0]], between, [2 * places[-1] - between[-1]]])
    image = axes.pcolormesh(edges, heights, table.to_numpy().T, norm=LogNorm(*FEW), cmap="viridis")
    mean, deviation = of_arm["p_mean"].to_numpy(), of_arm["p_std"].to_numpy()
    for quantile, style in ((3.09, ":"), (1.96, "--")):
        upper = pd.Series(np.exp(mean + quantile * deviation), index=of_arm["generation"]).groupby(level=0).first()
        axes.plot(upper, color="white", linestyle=style, linewidth=1)
    axes.set(xlabel="generation", ylabel="noise level sigma", yscale="log", ylim=(heights[0], heights[-1]))
    axes.set_title(f"{arm}: error; 2.5 % and 0.1 % of training's draws are above the lines", fontsize=8)
    return image
