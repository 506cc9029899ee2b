"""The report's figures: collapse curves, and samples of every arm over the generations."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from pipeline.analysis.theory import predicted
from pipeline.data.stored import stored
from pipeline.data.truth import Points
from pipeline.experiment.params import Params
from pipeline.experiment.sections import kind_of
from pipeline.judging.pictures import contours, image_grid, window
from pipeline.storage.files import read_array
from pipeline.storage.layout import PICTURE, SYNTHETIC, Layout
from pipeline.views.report.axes import generations, logarithmic
from pipeline.views.report.palette import BLACK, CONTROL, GREY, Look, arm_looks
from pipeline.views.report.results import Yardsticks, control_arm, first_chains

if TYPE_CHECKING:
    from pandas.core.groupby import SeriesGroupBy

SHOWN_GENERATIONS = 6
GRID_SIDE = 8
A_ROW, A_SHEET = 3, 12
REACH = 100.0
"""An axis shows predictions up to so many times the largest of what was measured."""
MARKS = 12
"""About so many markers a curve."""
DASHES = {"solid": "-", "dot": ":", "dash": "--", "dashdot": "-."}
"""Matplotlib's names of plotly.js's."""


def collapse(params: Params, results: pd.DataFrame, marks: Yardsticks) -> bytes:
    """PNG: FID against generation, all arms (mean, and range over seeds), with floor, generation 1 and the control's spread."""
    figure, axes = plt.subplots(figsize=(9, 5.5), layout="constrained")
    draw_collapse(axes, params, results, marks)
    axes.set_title(f"{params.experiment}: Fréchet distance over generations")
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return png(figure)


def draw_collapse(axes: Axes, params: Params, results: pd.DataFrame, marks: Yardsticks) -> None:
    """The curves of `collapse`: each arm's, what theory says of it (dashed), floor, generation 1 and the control's spread."""
    control, look = control_arm(params), arm_looks(params)
    last = int(results["generation"].max()) if len(results) else 1
    for arm, by_arm in results.groupby("arm", sort=False):
        band(axes, by_arm.groupby("generation")["fid"], str(arm), look[str(arm)])
    foreseen = False
    for arm in results["arm"].unique():
        if (curve := predicted(params, str(arm))) is not None:
            theory, colour = pd.Series(curve[:last], range(1, len(curve[:last]) + 1)), look[str(arm)].colour
            axes.plot(theory, color=colour, linestyle="--", linewidth=1)
            foreseen = True
    if foreseen:
        axes.plot([], [], color=GREY, linestyle="--", linewidth=1, label="predicted (exact fit)")
    if marks.control is not None:
        axes.axhline(marks.control, color=CONTROL.colour, linewidth=1, label=f"{control}: mean")
    if marks.control is not None and marks.control_std is not None:
        low, high = marks.control - marks.control_std, marks.control + marks.control_std
        said = f"{control}: ± 1 std. dev."
        axes.axhspan(max(low, marks.floor / 2), high, color=CONTROL.colour, alpha=0.12, linewidth=0, label=said)
    if marks.first is not None:
        axes.axhline(marks.first, color=GREY, linestyle="-.", linewidth=1, label=f"generation 1 of {marks.first_arm}")
    axes.axhline(marks.floor, color=BLACK, linestyle=":", linewidth=1, label=f"floor: {marks.floor_n} real samples")
    _scale(axes, results["fid"], marks.floor)
    extractor = results["extractor"].iloc[0] if len(results) else kind_of(params.evaluation.extractor)
    axes.set(xlabel="generation", ylabel=f"FID ({extractor})")
    generations(axes, last)
    axes.grid(alpha=0.25)


def band(axes: Axes, grouped: "SeriesGroupBy", label: str, look: Look | str | None = None) -> Line2D:
    """Draw the mean of each group as a line, which it gives, and the range within the groups as a band.

    A curve of many points has MARKS markers, which begin at another place for each curve.
    """
    colour, marker = (look.colour, look.marker) if isinstance(look, Look) else (look, ".")
    mean, low, high = grouped.mean(), grouped.min(), grouped.max()
    every, begun = max(1, len(mean) // MARKS), len(axes.get_lines())
    (line,) = axes.plot(
        mean, color=colour, label=label, linewidth=1.6, marker=marker, markersize=4, markevery=(begun * 3 % every, every)
    )
    axes.fill_between(low.index, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    return line


def floor_line(axes: Axes, results: pd.DataFrame) -> None:
    """Draw the real-versus-real floor that a study's rows give, with its sample count."""
    if "floor" in results:
        label = f"floor: {results['floor_n'].max():.0f} real samples"
        axes.axhline(results["floor"].mean(), color=BLACK, linestyle=":", linewidth=1, label=label)


def _scale(axes: Axes, fids: "pd.Series[float]", floor: float) -> None:
    """Show all that was measured, the floor, and predictions up to `REACH`; logarithmic beyond one power of ten."""
    if fids.empty:
        return
    if wide := fids.max() > 10 * max(fids.min(), 1e-12):
        axes.set_yscale("log")
        axes.set_ylim(bottom=max(min(fids.min(), floor), 1e-12) / 1.5)
    axes.set_ylim(top=min(axes.get_ylim()[1], REACH * fids.max()))
    if wide:
        logarithmic(axes)


def samples(params: Params, results: pd.DataFrame) -> bytes:
    """PNG: a row an arm, a column a generation; points with the truth's two-sigma contours, or grids of images.

    Each arm's first seed, which titles name where the arms have different ones.
    """
    ends = first_chains(results)
    same = len({chain.seed for chain in ends}) == 1
    last = max(ends.values(), default=1)
    shown = shown_generations(last, SHOWN_GENERATIONS)
    figure, grid = plt.subplots(
        max(1, len(ends)), len(shown), figsize=(2.2 * len(shown), 2.3 * max(1, len(ends))), squeeze=False, layout="constrained"
    )
    for (chain, end), row in zip(ends.items(), grid):
        name = chain.arm if same else str(chain)
        for generation, axes in zip(shown, row):
            axes.set(xticks=[], yticks=[], title=f"{name}, g{generation}" if generation <= end else "")
            axes.title.set_fontsize(9)
            if generation > end:
                axes.axis("off")
                continue
            show(axes, params, Layout(params.experiment).generation(chain, generation))
    return png(figure)


def shown_generations(last: int, most: int) -> list[int]:
    """At most so many generations, evenly from the first to the last."""
    return sorted({round(number) for number in np.linspace(1, last, min(most, last))})


def sheets(charts: list[dict[str, Any]]) -> list[bytes]:
    """PNGs of the page's charts of all other metrics than FID, small, a dozen a sheet: for print, and without scripts."""
    others = [chart for chart in charts if chart["name"] != "fid"]
    return [_sheet(others[start : start + A_SHEET]) for start in range(0, len(others), A_SHEET)]


def _sheet(charts: list[dict[str, Any]]) -> bytes:
    rows = -(-len(charts) // A_ROW)
    figure, grid = plt.subplots(rows, A_ROW, figsize=(9, 2.1 * rows + 0.5), squeeze=False, layout="constrained")
    for axes in grid.flat[len(charts) :]:
        axes.axis("off")
    named: dict[str, Line2D] = {}
    for chart, axes in zip(charts, grid.flat):
        _draw(axes, chart)
        named |= {str(line.get_label()): line for line in axes.get_lines()}
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=4, frameon=False, fontsize=7)
    return png(figure)


def _draw(axes: Axes, chart: dict[str, Any]) -> None:
    """A chart's lines and bands; a band's edges are traces without a width, the lower one first."""
    low: NDArray[np.float64] = np.empty(0)
    for trace in chart["traces"]:
        y, line = np.array(trace["y"], dtype=np.float64), trace["line"]
        if line["width"]:
            dash = DASHES[line.get("dash", "solid")]
            axes.plot(trace["x"], y, color=line["color"], linestyle=dash, linewidth=1, label=trace["name"])
        elif "fill" in trace:
            axes.fill_between(trace["x"], low, y, color=line["color"], alpha=0.2, linewidth=0)
        else:
            low = y
    if chart["log"]:
        logarithmic(axes)
    axes.set_title(chart["label"], fontsize=8)
    axes.tick_params(labelsize=7)
    generations(axes, max(trace["x"][-1] for trace in chart["traces"]))
    axes.grid(alpha=0.25)


def show(axes: Axes, params: Params, folder: Path) -> None:
    """Draw a generation's samples: points with the truth's two-sigma contours, or a grid of images.

    Of those that were let go, the picture that was made when they were judged.
    """
    if not (folder / SYNTHETIC).exists():
        axes.imshow(plt.imread(folder / PICTURE))
        return
    source, output = stored(params), read_array(folder / SYNTHETIC)
    if not isinstance(source, Points):
        axes.imshow(image_grid(output, GRID_SIDE, GRID_SIDE), interpolation="nearest")
        return
    centre, half = window(source.truth)
    axes.scatter(output[:, 0], output[:, 1], s=0.6, alpha=0.35, linewidths=0)
    for contour in contours(source.truth):
        axes.plot(contour[:, 0], contour[:, 1], color="tab:red", linewidth=0.8)
    axes.set(xlim=(centre[0] - half, centre[0] + half), ylim=(centre[1] - half, centre[1] + half), aspect="equal")


def png(figure: Figure) -> bytes:
    """The figure's PNG, which is then closed; the same figure gives the same bytes."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)
    return buffer.getvalue()
