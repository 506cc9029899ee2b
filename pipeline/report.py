"""The report: `collapse.csv`, two figures, and one HTML page that opens without a network and holds them all."""

import base64
import platform
import time
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline import clock, figures
from pipeline.errors import BadInput
from pipeline.layout import PARAMS, Layout, read_json, write_bytes, write_text
from pipeline.params import Params
from pipeline.results import collect, control_arm, verdicts, yardsticks

PACKAGES = ("torch", "numpy", "scipy", "pandas", "prefect", "dvc", "mlflow", "clean-fid", "scikit-learn", "matplotlib")


def build(params: Params, began: float | None = None) -> Path:
    """Rebuild the report from the files, finished or not; `began` is the current run's start. Gives the page's path.

    Raises BadInput when not even the data are there.
    """
    layout = Layout(params.experiment)
    if not layout.facts.exists():
        raise BadInput(f"experiment: {params.experiment!r} has made nothing yet (self-consuming run)")
    folder = layout.reports
    results = collect(params)
    marks = yardsticks(params, results)
    collapse, samples = figures.collapse(params, results, marks), figures.samples(params, results)
    write_text(folder / "collapse.csv", results.to_csv(index=False, lineterminator="\n"))
    write_bytes(folder / "collapse.png", collapse)
    write_bytes(folder / "samples.png", samples)
    table = verdicts(params, results)
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    environment.filters["figure"] = _figure
    page = environment.get_template("report.html").render(
        params=params,
        raw=Path(PARAMS).read_text(encoding="utf-8"),
        facts=read_json(layout.facts),
        marks=marks,
        headline=headline(params, results, table),
        verdicts=table.to_dict("records"),
        control=control_arm(params),
        collapse=base64.b64encode(collapse).decode(),
        samples=base64.b64encode(samples).decode(),
        times=_times(layout, began),
        compute=_compute(layout),
        versions={"Python": platform.python_version()} | {name: version(name) for name in PACKAGES},
    )
    write_text(folder / "report.html", page)
    return folder / "report.html"


def headline(params: Params, results: pd.DataFrame, table: pd.DataFrame) -> str:
    """The answer in a sentence or two, made from the data."""
    if table.empty:
        return "No generation is finished yet."
    control, parts = control_arm(params), []
    for arm, chains in table.groupby("arm", sort=False):
        if arm == control:
            continue
        seeds = f"{len(chains)} seed" + ("s" if len(chains) > 1 else "")
        end, first = chains["end_mean"].mean(), chains["first"].mean()
        text = f"{arm}: mean FID {_figure(end)} over the last {chains['end_over'].iloc[0]} of {chains['generations'].min()}"
        text += f" generations ({seeds}), {_figure(end / first)} times its generation 1 ({_figure(first)})"
        if "in_control_end_mean" in chains and chains["in_control_end_mean"].notna().any():
            text += f" and {_figure(chains['in_control_end_mean'].mean())} times the {control} control of the same seed"
        parts.append(text)
    return ". ".join(parts) + "."


def _times(layout: Layout, began: float | None) -> list[dict[str, object]]:
    if began is None:
        return []
    return clock.time_table(layout, began, time.time()).to_dict("records")


def _compute(layout: Layout) -> list[dict[str, object]]:
    """Seconds of each step, summed over a chain's generations; a generation made twice counts with its last making."""
    rows = clock.timings(layout).drop_duplicates(["chain", "step", "generation"], keep="last")
    if rows.empty:
        return []
    wide = rows.pivot_table(index="chain", columns="step", values="seconds", aggfunc="sum", fill_value=0.0)
    order = [step for step in (*clock.PREPARATION, *clock.COMPUTING, "commit", "track") if step in wide.columns]
    return wide[order].reset_index().to_dict("records")


def _figure(value: object) -> str:
    """A number to three significant figures; blank where there is none."""
    if not isinstance(value, int | float) or pd.isna(value):
        return ""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
