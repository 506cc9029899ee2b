"""The figures of an experiment and of the studies that have points, as files for a paper."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import Params
from pipeline.storage.layout import STUDY_FOLDER, Layout
from pipeline.studies.bench.study import load_study
from pipeline.studies.kind import kind_of
from pipeline.views.papers.printing import LABEL, fit, save
from pipeline.views.report.figures import draw_collapse, show, shown_generations
from pipeline.views.report.report import STUDIES
from pipeline.views.report.results import Yardsticks, collect, first_chains, yardsticks

COLLAPSE, SAMPLES = "collapse", "samples"
CELL = 0.5
"""Inches that a picture of samples has at least."""
POINT = 0.15
"""The area of a point, in square points."""


def build(params: Params, formats: list[str], width: float) -> list[Path]:
    """Write the experiment's collapse curves and samples, and the figure of every study that has points; gives the files.

    Args:
        params: the experiment.
        formats: of pdf, svg and png.
        width: of every figure, in inches.

    Raises BadInput where neither the experiment nor any study has made anything.
    """
    written: list[Path] = []
    results = collect(params) if Layout(params.experiment).facts.exists() else pd.DataFrame()
    if len(results):
        folder = Layout(params.experiment).reports / "figures"
        written += save(collapse(params, results, yardsticks(params, results), width), folder / COLLAPSE, formats)
        written += save(samples(params, results, width), folder / SAMPLES, formats)
    for name in made_studies():
        study = load_study(name)
        kind, settings = kind_of(study)
        figure = fit(kind.plot(settings, study.results()), width)
        written += save(figure, STUDIES / name / "figures" / name, formats)
    if not written:
        raise BadInput(
            f"figures: {params.experiment!r} has no finished generation, and no study has a point (self-consuming run)"
        )
    return written


def made_studies() -> list[str]:
    """The studies that have points, by their names."""
    return sorted({path.parent.parent.name for path in STUDY_FOLDER.glob("*/points/*.json")})


def collapse(params: Params, results: pd.DataFrame, marks: Yardsticks, width: float) -> Figure:
    """FID over the generations, as in the report, of the width in inches."""
    figure, axes = plt.subplots(figsize=(width, 0.7 * width), layout="constrained")
    draw_collapse(axes, params, results, marks)
    figure.legend()
    return fit(figure, width)


def samples(params: Params, results: pd.DataFrame, width: float) -> Figure:
    """A row an arm (its first seed), a column a generation: points with the truth's contours, or grids of images."""
    ends = first_chains(results)
    shown = shown_generations(max(ends.values()), min(6, max(2, int(width // CELL) - 1)))
    side = width / len(shown)
    engine = ConstrainedLayoutEngine(w_pad=0.01, h_pad=0.01)
    size = width, side * len(ends) + 0.3
    figure, grid = plt.subplots(len(ends), len(shown), figsize=size, squeeze=False, layout=engine)
    for (chain, end), row in zip(ends.items(), grid):
        row[0].set_ylabel(chain.arm, fontsize=LABEL)
        for generation, axes in zip(shown, row):
            axes.set(xticks=[], yticks=[])
            if generation > end:
                axes.axis("off")
                continue
            show(axes, params, Layout(params.experiment).generation(chain, generation))
            for points in axes.collections:
                points.set_sizes([POINT])
                points.set_rasterized(True)  # thousands of points as paths would make the file large and slow
    for generation, axes in zip(shown, grid[0]):
        axes.set_title(f"{generation}", fontsize=LABEL)
    figure.suptitle("generation", fontsize=LABEL)
    return figure
