"""The report: `collapse.csv`, two figures, an animation, and one HTML page that opens without a network and holds them all."""

import base64
import platform
import time
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from ruamel.yaml import YAML

from pipeline.chains import Chain
from pipeline.errors import BadInput
from pipeline.files import read_json, write_bytes, write_json, write_text
from pipeline.layout import PRESETS, Layout
from pipeline.machine import resolved
from pipeline.params import Params, load
from pipeline.reporting import figures, timetable
from pipeline.reporting.animation import animation
from pipeline.reporting.charts import charts, library
from pipeline.reporting.costs import costs, step_seconds
from pipeline.reporting.gallery import gallery
from pipeline.reporting.numerals import figure_text
from pipeline.reporting.progress import progress
from pipeline.reporting.results import collect, control_arm, verdicts, yardsticks
from pipeline.reporting.verdicts import MEANING, headline, mad, reference_name, shown, summary
from pipeline.revision import changed, commit

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "pandas",
    "prefect",
    "dvc",
    "mlflow",
    "clean-fid",
    "scikit-learn",
    "matplotlib",
    "plotly",
)
RELOAD = '<meta http-equiv="refresh" content="{:.3g}">\n'
ROOM = Path(__file__).parent
STUDIES = Path("reports") / "studies"
"""Where the pages of studies are; the report names those that there are."""


class Built(NamedTuple):
    """The page, and how many generations it holds of those that are expected."""

    page: Path
    made: int
    expected: int


def build(params: Params, longer: dict[Chain, int] | None = None, began: float | None = None) -> Path:
    """Rebuild the report from the files, finished or not, and give the page's path.

    Args:
        params: the experiment.
        longer: chains that this run extends beyond params.yaml's number of generations.
        began: when the current run began, in seconds since the epoch; the table of times is the last run's when not given.

    Raises BadInput when not even the data are there.
    """
    return write(params, longer, began).page


def write(
    params: Params, longer: dict[Chain, int] | None = None, began: float | None = None, reload: float | None = None
) -> Built:
    """The same; with `reload` the page reloads itself every so many seconds."""
    layout = Layout(params.experiment)
    if not layout.facts.exists():
        raise BadInput(f"experiment: {params.experiment!r} has made nothing yet (self-consuming run)")
    folder = layout.reports
    results = collect(params, longer)
    marks = yardsticks(params, results)
    collapse, samples = figures.collapse(params, results, marks), figures.samples(params, results)
    moving = animation(params, results)
    write_text(folder / "collapse.csv", results.to_csv(index=False, lineterminator="\n"))
    write_bytes(folder / "collapse.png", collapse)
    write_bytes(folder / "samples.png", samples)
    if moving:
        write_bytes(folder / "collapse.gif", moving)
    chains, steps = progress(params, results, longer), step_seconds(layout)
    table = mad(params, results, chains)
    write_json(folder / "summary.json", summary(table))
    for arm in params.arms:
        curve = results[results["arm"] == arm].groupby("generation")["fid"].mean()
        write_text(folder / "curves" / f"{arm}.csv", curve.to_csv(lineterminator="\n"))
    cost = costs(params, results, steps)
    page = _template().render(
        params=params,
        reload=Markup(RELOAD.format(max(1.0, reload))) if reload else "",
        resolved=_yaml(resolved(params)),
        preset=_is_preset(params),
        revision=commit(),
        changed=changed(),
        facts=read_json(layout.facts),
        marks=marks,
        headline=headline(params, results, table, cost),
        mad=shown(table),
        meaning=MEANING,
        reference=reference_name(params, results),
        chains=_chains(chains, verdicts(params, results)),
        made=len(results),
        expected=sum(row["expected"] for row in chains),
        control=control_arm(params),
        charts=charts(params, results, marks),
        gallery=gallery(params, results),
        collapse=_encoded(collapse),
        samples=_encoded(samples),
        moving=_encoded(moving) if moving else None,
        costs=cost.to_dict("records"),
        steps=timetable.steps_of(steps),
        times=_times(layout, began),
        compute=_compute(steps),
        studies=[page.parent.name for page in sorted(STUDIES.glob("*/report.html"))],
        versions={"Python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        library=Markup(library()),
        script=Markup((ROOM / "report.js").read_text(encoding="utf-8")),
        style=Markup((ROOM / "report.css").read_text(encoding="utf-8")),
    )
    write_text(layout.page, page)
    return Built(layout.page, len(results), sum(row["expected"] for row in chains))


def still(page: str) -> str:
    """A page that no longer reloads itself."""
    head, mark, rest = page.partition('<meta http-equiv="refresh"')
    return head + rest.partition("\n")[2] if mark and len(head) < 1000 else page


def _template() -> Any:
    environment = Environment(loader=FileSystemLoader(ROOM), autoescape=True, undefined=StrictUndefined)
    environment.filters["figure"] = figure_text
    return environment.get_template("report.html")


def _chains(states: list[dict[str, Any]], measured: pd.DataFrame) -> list[dict[str, Any]]:
    """Every chain's state, with what was measured of it, if anything was."""
    known = {(row["arm"], row["seed"]): row for row in measured.to_dict("records")}
    return [state | known.get((state["arm"], state["seed"]), {}) for state in states]


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _is_preset(params: Params) -> bool:
    """Whether the preset of the experiment's name is just this experiment."""
    try:
        return load(Path(PRESETS) / f"{params.experiment}.yaml", Path()) == params
    except BadInput:
        return False


def _yaml(content: dict[str, Any]) -> str:
    text = StringIO()
    YAML().dump(content, text)
    return text.getvalue()


def _times(layout: Layout, began: float | None) -> list[dict[str, object]]:
    span = (began, time.time()) if began is not None else timetable.last_run(layout)
    return timetable.time_table(layout, *span).to_dict("records") if span else []


def _compute(rows: pd.DataFrame) -> list[dict[str, object]]:
    """Seconds of each step, summed over a chain's generations."""
    if rows.empty:
        return []
    wide = rows.pivot_table(index="chain", columns="step", values="seconds", aggfunc="sum", fill_value=0.0)
    order = [*timetable.steps_of(rows), *(step for step in ("commit", "track") if step in wide.columns)]
    return wide[order].reset_index().to_dict("records")
