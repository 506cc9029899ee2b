"""Figures of sweeps: curves over one axis, a heat map of two, small multiples of heat maps for more."""

from itertools import product
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pipeline.studies.pages.sweep.choice import Sweep, all_numbers, at, best_place
from pipeline.views.report.figures import band

PANELS = 12
"""Heat maps in a figure; with more combinations of the other axes, every axis has a panel of all points."""
CELLS = 120
"""Cells of a heat map that still have room for their numbers."""
A_ROW = 4


def drawn(sweep: Sweep) -> Figure:
    """The figure that fits the number of axes with several values."""
    varied = [axis for axis, values in sweep.axes.items() if len(values) > 1] or list(sweep.axes)[:1]
    if len(varied) == 1:
        return _curves(sweep, varied[0])
    others = [dict(zip(varied[2:], values)) for values in product(*(sweep.axes[axis] for axis in varied[2:]))]
    if len(others) * len(sweep.arms) > PANELS:
        return _each_axis(sweep, varied)
    return _heat_maps(sweep, varied[0], varied[1], others)


def _curves(sweep: Sweep, axis: str) -> Figure:
    """Mean and range over the seeds against the one axis."""
    figure, axes = plt.subplots(figsize=(9, 5.5), layout="constrained")
    values = sweep.axes[axis]
    for arm in sweep.arms:
        rows = _placed(sweep.reported(arm), axis, values)
        line = band(axes, rows.groupby("x")["value"], arm)
        best = at(rows, {axis: best_place(sweep, arm)[axis]})
        label = f"{arm}: best{', chosen on other seeds' * sweep.chooses}"
        axes.plot(
            best["x"].head(1), [best["value"].mean()], "o", markersize=11, fillstyle="none", color=line.get_color(), label=label
        )
    _scale(axes, axis, values)
    axes.set(ylabel=sweep.metric)
    if _spans_decades(sweep.points["value"]):
        axes.set_yscale("log")
    axes.grid(alpha=0.25)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def _heat_maps(sweep: Sweep, across: str, up: str, others: list[dict[str, Any]]) -> Figure:
    """A map of the means for every arm and combination of the other axes, with one scale of colours; the best is framed."""
    panels = [(arm, other) for arm in sweep.arms for other in others]
    columns = min(A_ROW, len(panels))
    rows = -(-len(panels) // columns)
    wide = 2.2 + 0.75 * len(sweep.axes[across]) if len(panels) > 1 else 6.5
    figure, grid = plt.subplots(
        rows, columns, figsize=(max(wide, 3.2) * columns + 1, 3.6 * rows + 1), squeeze=False, layout="constrained"
    )
    maps = [_means(sweep, arm, across, up, other) for arm, other in panels]
    values = pd.Series(np.concatenate([each.ravel() for each in maps]))
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    norm = LogNorm(low, high) if _spans_decades(values) else Normalize(low, high)
    for axes in grid.flat[len(panels) :]:
        axes.axis("off")
    for (arm, other), means, axes in zip(panels, maps, grid.flat):
        image = axes.imshow(
            np.ma.masked_invalid(means),
            aspect="auto",
            origin="lower",
            norm=norm,
            cmap="viridis" if sweep.highest else "viridis_r",
        )
        axes.set_facecolor("0.85")
        _write_cells(axes, means, image)
        for name, set_ticks, label in ((across, axes.set_xticks, axes.set_xlabel), (up, axes.set_yticks, axes.set_ylabel)):
            set_ticks(range(len(sweep.axes[name])), [_tick(value) for value in sweep.axes[name]])
            label(name)
        axes.set_title(", ".join([arm, *(f"{axis} = {_tick(value)}" for axis, value in other.items())]), fontsize=9)
        best = best_place(sweep, arm)
        if all(best[axis] == value for axis, value in other.items()):
            corner = sweep.axes[across].index(best[across]) - 0.5, sweep.axes[up].index(best[up]) - 0.5
            axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="tab:red", linewidth=3, clip_on=False))
    figure.colorbar(image, ax=grid, label=f"{sweep.metric}, mean over seeds")
    figure.suptitle(f"{sweep.metric}: framed in red the best{', chosen on other seeds' * sweep.chooses}", fontsize=10)
    return figure


def _each_axis(sweep: Sweep, varied: list[str]) -> Figure:
    """All places over each axis: there are too many for maps."""
    rows = -(-len(varied) // 3)
    figure, grid = plt.subplots(rows, 3, figsize=(13, 4 * rows), squeeze=False, layout="constrained")
    for axes in grid.flat[len(varied) :]:
        axes.axis("off")
    for axis, axes in zip(varied, grid.flat):
        for arm in sweep.arms:
            means = sweep.reported(arm).groupby(list(sweep.axes), sort=False)["value"].mean().reset_index()
            placed = _placed(means, axis, sweep.axes[axis])
            dots = axes.plot(placed["x"], placed["value"], ".", alpha=0.5, label=f"{arm}: every place")[0]
            best = at(placed, best_place(sweep, arm))
            axes.plot(
                best["x"], best["value"], "o", markersize=11, fillstyle="none", color=dots.get_color(), label=f"{arm}: best"
            )
        _scale(axes, axis, sweep.axes[axis])
        axes.set(ylabel=sweep.metric)
        if _spans_decades(sweep.points["value"]):
            axes.set_yscale("log")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def _means(sweep: Sweep, arm: str, across: str, up: str, other: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """[values of `up`, values of `across`]; NaN where no point is made."""
    rows = at(sweep.reported(arm), other)
    found = rows.groupby([up, across])["value"].mean()
    return np.array([[found.get((y, x), np.nan) for x in sweep.axes[across]] for y in sweep.axes[up]], dtype=np.float64)


def _write_cells(axes: Axes, means: np.ndarray[Any, np.dtype[np.float64]], image: Any) -> None:
    """Every cell's number, in black on light cells and in white on dark ones."""
    if means.size > CELLS:
        return
    for (y, x), value in np.ndenumerate(means):
        red, green, blue, _ = image.cmap(image.norm(value)) if np.isfinite(value) else (0.85, 0.85, 0.85, 1)
        ink = "black" if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else "white"
        text = f"{value:.3g}" if np.isfinite(value) else "not made" if np.isnan(value) else "broke"
        axes.text(x, y, text, ha="center", va="center", color=ink, fontsize=8)


def _placed(rows: pd.DataFrame, axis: str, values: list[Any]) -> pd.DataFrame:
    """Rows with their place on the axis, x; of what is no number, its place in the list; without those that broke."""
    x = rows[axis] if all_numbers(values) else rows[axis].map(values.index)
    return rows.assign(x=x)[np.isfinite(rows["value"])]


def _scale(axes: Axes, axis: str, values: list[Any]) -> None:
    """An axis of numbers, logarithmic where they span decades, or of names."""
    axes.set_xlabel(axis)
    if not all_numbers(values):
        axes.set_xticks(range(len(values)), [_tick(value) for value in values])
        return
    if min(values) > 0 and max(values) >= 20 * min(values):
        axes.set_xscale("log")
    if len(values) <= 10:
        axes.set_xticks(values, [_tick(value) for value in values])
        axes.minorticks_off()


def _spans_decades(values: "pd.Series[float]") -> bool:
    finite = values[np.isfinite(values)]
    return len(finite) > 0 and bool(finite.min() > 0 and finite.max() > 10 * finite.min())


def _tick(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, int | float) else str(value)
    return text if len(text) <= 24 else f"{text[:21]}..."
