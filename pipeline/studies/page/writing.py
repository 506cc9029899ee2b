"""A study's page: what it says, its figure and tables, and how to make it again; rebuilt from the points that are there."""

import base64
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.experiment.errors import BadInput
from pipeline.storage.files import write_bytes, write_text
from pipeline.studies.bench.study import Study, Summary
from pipeline.studies.kind import kind_of
from pipeline.views.report.figures import png
from pipeline.views.report.numerals import figure_text
from pipeline.views.report.report import STUDIES


def location(study: Study) -> Path:
    """The study's page; its table and figure lie beside it."""
    return STUDIES / study.name / "report.html"


def floor_text(results: pd.DataFrame) -> str:
    """The real-versus-real floor of the points' rows, in words; of points that were made before rows had it, nothing."""
    if "floor" not in results:
        return ""
    low, high, n = results["floor"].min(), results["floor"].max(), results["floor_n"].max()
    span = figure_text(low) if low == high else f"{figure_text(low)} to {figure_text(high)}"
    return f"Real against real, at {n:.0f} samples, the FID is {span}."


def build(study: Study) -> tuple[Path, Summary]:
    """Write points.csv, figure.png and report.html; gives the page's path and what it says. Raises BadInput without points."""
    results = study.results()
    kind, settings = kind_of(study)
    if results.empty:
        raise BadInput(f"study: {study.name!r} has made no point yet (self-consuming study {study.name})")
    folder = location(study).parent
    summary = kind.summary(settings, results)
    figure = png(kind.plot(settings, results))
    write_text(folder / "points.csv", results.to_csv(index=False, lineterminator="\n"))
    write_bytes(folder / "figure.png", figure)
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    environment.filters["figure"] = lambda value: figure_text(value) or str(value)
    made = sum(study.path(at).exists() for at in study.points)
    page = environment.get_template("page.html").render(
        study=study,
        summary=summary,
        figure=base64.b64encode(figure).decode(),
        made=made,
        floor=floor_text(results),
        params=(study.folder / "params.yaml").read_text(encoding="utf-8"),
    )
    write_text(location(study), page)
    return location(study), summary
