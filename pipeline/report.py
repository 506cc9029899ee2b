"""The report: `collapse.csv`, two figures, and one HTML page that opens without a network and holds them all."""

import base64
import platform
import time
from importlib.metadata import version
from io import StringIO
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from ruamel.yaml import YAML

from pipeline import figures, timetable
from pipeline.chains import Chain
from pipeline.errors import BadInput
from pipeline.files import read_json, write_bytes, write_text
from pipeline.layout import Layout
from pipeline.machine import device_of
from pipeline.params import Params
from pipeline.results import collect, control_arm, verdicts, yardsticks

PACKAGES = ("torch", "numpy", "scipy", "pandas", "prefect", "dvc", "mlflow", "clean-fid", "scikit-learn", "matplotlib")


def build(params: Params, longer: dict[Chain, int] | None = None, began: float | None = None) -> Path:
    """Rebuild the report from the files, finished or not, and give the page's path.

    Args:
        params: the experiment.
        longer: chains that this run extends beyond params.yaml's number of generations.
        began: when the current run began, in seconds since the epoch; the table of times is the last run's when not given.

    Raises BadInput when not even the data are there.
    """
    layout = Layout(params.experiment)
    if not layout.facts.exists():
        raise BadInput(f"experiment: {params.experiment!r} has made nothing yet (self-consuming run)")
    folder = layout.reports
    results = collect(params, longer)
    marks = yardsticks(params, results)
    collapse, samples = figures.collapse(params, results, marks), figures.samples(params, results)
    write_text(folder / "collapse.csv", results.to_csv(index=False, lineterminator="\n"))
    write_bytes(folder / "collapse.png", collapse)
    write_bytes(folder / "samples.png", samples)
    table = verdicts(params, results)
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    environment.filters["figure"] = figure_text
    page = environment.get_template("report.html").render(
        params=params,
        resolved=_resolved(params),
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
    write_text(layout.page, page)
    return layout.page


def headline(params: Params, results: pd.DataFrame, table: pd.DataFrame) -> str:
    """The answer in a sentence or two, made from the data."""
    if table.empty:
        return "No generation is finished yet."
    control, parts = control_arm(params), []
    for arm, chains in table.groupby("arm", sort=False):
        if arm == control and len(params.arms) > 1:
            continue
        seeds = f"{len(chains)} seed" + ("s" if len(chains) > 1 else "")
        end, first = chains["end_mean"].mean(), chains["first"].mean()
        text = f"{arm}: mean FID {figure_text(end)} over the last {chains['end_over'].iloc[0]} of {chains['generations'].min()}"
        text += f" generations ({seeds}), {figure_text(end / first)} times its generation 1 ({figure_text(first)})"
        if "in_control_end_mean" in chains and chains["in_control_end_mean"].notna().any():
            text += f" and {figure_text(chains['in_control_end_mean'].mean())} times the {control} control of the same seed"
        parts.append(text)
    return ". ".join(parts) + "."


def _resolved(params: Params) -> str:
    """params.yaml as the run understood it, with the device that `auto` gives."""
    device = {"device": str(device_of(params)) if params.device == "auto" else params.device}
    text = StringIO()
    YAML().dump(params.model_dump(mode="json", exclude_none=True) | device, text)
    return text.getvalue()


def _times(layout: Layout, began: float | None) -> list[dict[str, object]]:
    span = (began, time.time()) if began is not None else timetable.last_run(layout)
    return timetable.time_table(layout, *span).to_dict("records") if span else []


def _compute(layout: Layout) -> list[dict[str, object]]:
    """Seconds of each step, summed over a chain's generations; a generation made twice counts with its last making."""
    rows = timetable.timings(layout).query("generation.notna()").drop_duplicates(["chain", "step", "generation"], keep="last")
    if rows.empty:
        return []
    wide = rows.pivot_table(index="chain", columns="step", values="seconds", aggfunc="sum", fill_value=0.0)
    order = [*timetable.steps_of(rows), *(step for step in ("commit", "track") if step in wide.columns)]
    return wide[order].reset_index().to_dict("records")


def figure_text(value: object) -> str:
    """A number to three significant figures; blank where there is none."""
    if not isinstance(value, int | float) or pd.isna(value):
        return ""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
