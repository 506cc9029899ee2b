"""The report's figures: collapse curves, and samples of every arm over the generations."""

from io import BytesIO

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.datasets import Points, dataset
from pipeline.layout import SYNTHETIC, Chain, Layout, read_array
from pipeline.params import Params
from pipeline.pictures import contours, image_grid, window
from pipeline.results import Yardsticks, control_arm

COLOURS = plt.get_cmap("tab10").colors  # type: ignore[attr-defined]
SHOWN_GENERATIONS = 6
GRID_SIDE = 8


def collapse(params: Params, results: pd.DataFrame, marks: Yardsticks) -> bytes:
    """PNG: FID against generation for all arms (mean, and range over seeds), with floor, generation 1 and control."""
    figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    control = control_arm(params)
    for colour, arm in zip(COLOURS, [arm for arm in params.arms if arm != control]):
        by_generation = results[results["arm"] == arm].groupby("generation")["fid"]
        if not len(by_generation):
            continue
        axes.plot(by_generation.mean(), color=colour, label=arm, linewidth=1.6, marker=".", markersize=4)
        if len(params.seeds) > 1:
            low, high = by_generation.min(), by_generation.max()
            axes.fill_between(low.index, low, high, color=colour, alpha=0.2, linewidth=0)
    if marks.control is not None:
        axes.axhline(marks.control, color="tab:green", linewidth=1, label=f"{control}: mean of its generations")
        if marks.control_std is not None:
            low, high = max(marks.control - marks.control_std, marks.floor), marks.control + marks.control_std
            axes.axhspan(low, high, color="tab:green", alpha=0.15, linewidth=0, label=f"{control}: one standard deviation")
    if marks.first is not None:
        axes.axhline(marks.first, color="grey", linestyle="--", linewidth=1, label=f"generation 1 of {next(iter(params.arms))}")
    axes.axhline(marks.floor, color="black", linestyle=":", linewidth=1, label=f"real against real, {marks.floor_n} samples")
    fids = results["fid"]
    if len(fids) and fids.max() > 10 * max(fids.min(), 1e-12):
        axes.set_yscale("log")
    extractor = results["extractor"].iloc[0] if len(results) else params.evaluation.extractor
    axes.set(xlabel="generation", ylabel=f"FID ({extractor})", title=f"{params.experiment}: Fréchet distance over generations")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=8)
    return _png(figure)


def samples(params: Params, results: pd.DataFrame) -> bytes:
    """PNG: a row an arm, a column a generation; points with the truth's two-sigma contours, or grids of images."""
    seed = params.seeds[0]
    ends = results[results["seed"] == seed].groupby("arm")["generation"].max().to_dict()
    arms = [arm for arm in params.arms if arm in ends]
    last = max(ends.values(), default=1)
    shown = sorted({round(number) for number in np.linspace(1, last, min(SHOWN_GENERATIONS, last))})
    figure, grid = plt.subplots(
        max(1, len(arms)), len(shown), figsize=(2.2 * len(shown), 2.3 * max(1, len(arms))), squeeze=False, layout="constrained"
    )
    for arm, row in zip(arms, grid):
        for generation, axes in zip(shown, row):
            axes.set(xticks=[], yticks=[], title=f"{arm}, g{generation}" if generation <= ends[arm] else "")
            axes.title.set_fontsize(9)
            if generation > ends[arm]:
                axes.axis("off")
                continue
            path = Layout(params.experiment).generation(Chain(arm, seed), generation) / SYNTHETIC
            _show(axes, params, path)
    return _png(figure)


def _show(axes: Axes, params: Params, path: object) -> None:
    source, output = dataset(params), read_array(path)  # type: ignore[arg-type]
    if not isinstance(source, Points):
        axes.imshow(image_grid(output, GRID_SIDE, GRID_SIDE), interpolation="nearest")
        return
    centre, half = window(source.truth)
    axes.scatter(output[:, 0], output[:, 1], s=0.6, alpha=0.35, linewidths=0)
    for contour in contours(source.truth):
        axes.plot(contour[:, 0], contour[:, 1], color="tab:red", linewidth=0.8)
    axes.set(xlim=(centre[0] - half, centre[0] + half), ylim=(centre[1] - half, centre[1] + half), aspect="equal")


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)
    return buffer.getvalue()
